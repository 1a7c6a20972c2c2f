"""Writes a zip file: make_zip.py ZIP [NAME TEXT]...

TEXT is a file's content; "link:TARGET" makes a symbolic link, "zeros:N" N zero
bytes.
"""

import sys
import zipfile


def main():
    with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in zip(sys.argv[2::2], sys.argv[3::2]):
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            if text.startswith("link:"):
                entry.external_attr = 0o120777 << 16
                text = text[len("link:"):]
            elif text.startswith("zeros:"):
                text = "\0" * int(text[len("zeros:"):])
            archive.writestr(entry, text)


if __name__ == "__main__":
    main()
