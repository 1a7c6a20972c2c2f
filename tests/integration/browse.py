#!/usr/bin/env python3
"""Opens a page in Chromium as several readers see it; prints what it finds, as JSON.

usage: browse.py PAGE.html [PNG-PREFIX]

A view for light and dark, 390 and 1280 pixels wide: errors and warnings of the console,
whether anything is wider than the page, the background's colour, and every element with
data-plot: its data attributes, and the box it is drawn in. With a prefix, a picture of
each view: PREFIX-light-390.png.

Speaks the DevTools protocol over pipes (https://chromedevtools.github.io/devtools-protocol);
the browser has a profile of its own, which is gone afterwards.
"""
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile

MARKS = """JSON.stringify({
  marks: [...document.querySelectorAll('[data-plot]')].map(e => {
    const box = e.getBoundingClientRect();
    return {...e.dataset, width: box.width, left: box.left, top: box.top + scrollY,
            drawn: box.width, tag: e.tagName};
  }),
  scripts: document.scripts.length + document.querySelectorAll(
      '[onerror],[onload],[onclick],iframe,object,embed,img').length,
  page_width: document.documentElement.scrollWidth,
  view_width: document.documentElement.clientWidth,
  too_wide: [...document.querySelectorAll('body *')].filter(e =>
      e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 &&
      !e.closest('.scroll')).map(e => e.tagName + ' ' + e.className).slice(0, 5),
  background: getComputedStyle(document.body).backgroundColor,
  color: getComputedStyle(document.body).color,
  title: document.title})"""


class Browser:
    def __init__(self, profile):
        to_browser, self.output = os.pipe()
        self.input, from_browser = os.pipe()

        def give_pipes():  # the browser reads from 3 and writes to 4
            # Past both numbers first: one pipe may have the other's.
            high = [os.dup2(fd, fd + 100) for fd in (to_browser, from_browser)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless", "--remote-debugging-pipe", "--no-sandbox",
             "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--hide-scrollbars", f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=give_pipes, close_fds=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.buffer, self.number, self.events = b"", 0, []

    def read(self):
        while b"\0" not in self.buffer:
            got = os.read(self.input, 1 << 20)
            if not got:
                raise RuntimeError("chromium ended")
            self.buffer += got
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        while True:
            reply = self.read()
            if reply.get("id") == self.number:
                if "error" in reply:
                    raise RuntimeError(f"{method}: {reply['error']}")
                return reply["result"]
            self.events.append(reply)

    def wait_for(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.read())

    def close(self):
        try:
            self.call("Browser.close")
        except (RuntimeError, OSError):
            self.process.kill()
        self.process.wait(30)


def complaints(events):
    """Texts of errors and warnings: of the console, of scripts, of the loader."""
    for event in events:
        params = event.get("params", {})
        if event.get("method") == "Runtime.consoleAPICalled":
            yield params["type"] + ": " + json.dumps(params["args"])
        elif event.get("method") == "Runtime.exceptionThrown":
            yield "exception: " + json.dumps(params["exceptionDetails"])
        elif event.get("method") == "Log.entryAdded":
            yield params["entry"]["level"] + ": " + params["entry"]["text"]


def look(browser, page, scheme, width, picture):
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target,
                           flatten=True)["sessionId"]
    browser.events.clear()
    for domain in ("Page", "Runtime", "Log"):
        browser.call(domain + ".enable", session)
    browser.call("Emulation.setDeviceMetricsOverride", session, width=width,
                 height=844, deviceScaleFactor=2 if picture and width < 500 else 1,
                 mobile=width < 500)
    browser.call("Emulation.setEmulatedMedia", session, features=[
        {"name": "prefers-color-scheme", "value": scheme}])
    browser.call("Page.navigate", session, url=pathlib.Path(page).resolve().as_uri())
    browser.wait_for("Page.loadEventFired")
    result = browser.call("Runtime.evaluate", session, expression=MARKS)
    view = json.loads(result["result"]["value"])
    if picture:
        size = browser.call("Page.getLayoutMetrics", session)["cssContentSize"]
        shot = browser.call("Page.captureScreenshot", session,
                            captureBeyondViewport=True, clip={
                                "x": 0, "y": 0, "width": width,
                                "height": min(size["height"], 16000), "scale": 1})
        pathlib.Path(f"{picture}-{scheme}-{width}.png").write_bytes(
            base64.b64decode(shot["data"]))
    view.update(scheme=scheme, width=width, complaints=list(complaints(browser.events)))
    browser.call("Target.closeTarget", targetId=target)
    return view


def main():
    page, picture = sys.argv[1], (sys.argv + [""])[2]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            views = [look(browser, page, scheme, width, picture)
                     for scheme in ("light", "dark") for width in (390, 1280)]
        finally:
            browser.close()
    print(json.dumps(views))


if __name__ == "__main__":
    main()
