#include "client/eval/report_parts.h"

namespace gist::client {

// Colours of the modes are ColorOf's, and lighter on a dark page. Every mark
// has a shape of its own besides.
std::string_view ReportStyle() {
  return R"(
:root{--bg:#f6f6f3;--card:#fff;--ink:#1b1f24;--soft:#5b6570;--line:#e2e4e6;
--gist:#0072b2;--full:#d55e00;--rag:#00835f;--hybrid:#b0588f;
--cold:#eef3f7;--warm:#0a4f86;--onwarm:#fff;--good:#00734f;--bad:#b3400a;
--tint:#fdf3e4;--shadow:0 1px 2px #0000000d}
@media(prefers-color-scheme:dark){:root{--bg:#121518;--card:#1a1e22;
--ink:#e6e9ec;--soft:#9aa5b0;--line:#2c3238;--gist:#56b4e9;--full:#f08a4b;
--rag:#34c79f;--hybrid:#e29cc6;--cold:#20272e;--warm:#7cc7f5;--onwarm:#0b1620;
--good:#4fd0a8;--bad:#f5986a;--tint:#2b251a;--shadow:none}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",
"Noto Sans CJK KR","Apple SD Gothic Neo",sans-serif}
header,main{max-width:1080px;margin:0 auto;padding:0 20px}
header{padding-top:48px;padding-bottom:12px}
.eyebrow{margin:0;color:var(--soft);font-size:13px;font-weight:600;
letter-spacing:.08em;text-transform:uppercase}
h1{margin:6px 0 8px;font-size:clamp(26px,5vw,38px);line-height:1.15;
font-weight:680;letter-spacing:-.02em;text-wrap:balance}
.sub{margin:0;color:var(--soft)}
section{margin:22px 0;padding:24px 26px;background:var(--card);
border:1px solid var(--line);border-radius:14px;box-shadow:var(--shadow)}
h2{margin:0 0 4px;font-size:20px;font-weight:650;letter-spacing:-.01em}
h3{margin:24px 0 8px;font-size:15px;font-weight:650}
section>p{margin:0 0 14px;max-width:72ch;color:var(--soft);font-size:15px;
text-wrap:pretty}
small{color:var(--soft);font-size:12.5px;font-weight:400;white-space:nowrap}
em{font-style:normal;font-weight:600}
.good{color:var(--good)}.bad{color:var(--bad)}
.notice{margin:18px 0 0;padding:12px 16px;border:1px solid var(--line);
border-left:4px solid var(--full);border-radius:10px;background:var(--tint)}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;
clip-path:inset(50%)}
.scroll{overflow-x:auto;margin:0 -6px;padding:0 6px}
table{border-collapse:collapse;width:100%;
font-variant-numeric:tabular-nums}
th,td{padding:10px 10px;border-bottom:1px solid var(--line);text-align:right;
vertical-align:top}
tbody tr:last-child>*{border-bottom:0}
th{font-weight:600}
thead th{color:var(--soft);font-size:13px;font-weight:600;
vertical-align:bottom}
th:first-child{text-align:left;white-space:nowrap}
.stack td{white-space:nowrap}
.stack td.wide{min-width:150px}
.dot{width:13px;height:13px;margin-right:7px;vertical-align:-1px;
overflow:visible}
.meter{position:relative;display:block;height:5px;margin-top:6px;
border-radius:3px;background:var(--cold)}
.meter i{position:absolute;inset:0 auto 0 0;border-radius:3px;
background:var(--c)}
.meter b{position:absolute;top:2px;height:1px;background:var(--ink)}
.m-gist{--c:var(--gist)}.m-full{--c:var(--full)}
.m-rag{--c:var(--rag)}.m-hybrid{--c:var(--hybrid)}
svg .mark,svg[class^=m-]{fill:var(--c)}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:0 0 10px;padding:0;
list-style:none;font-size:14px}
.legend svg{width:13px;height:13px;margin-right:6px;vertical-align:-1px}
.panels{display:grid;gap:22px 30px;
grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr))}
figure{margin:0;max-width:500px}
figcaption,.heat caption{margin-bottom:6px;text-align:left;font-size:14px;
font-weight:600}
.chart{display:block;width:100%;height:auto;overflow:visible;
font-family:inherit}
.grid{stroke:var(--line)}.base{stroke:var(--soft)}
.whisker{stroke:var(--c);stroke-width:1.6}
.bar{fill:var(--c)}
.tick,.axis{fill:var(--soft);font-size:11px}
.caption{fill:var(--ink);font-size:14px;font-weight:600}
.label{fill:var(--ink);font-size:12px;paint-order:stroke;stroke:var(--card);
stroke-width:3px;stroke-linejoin:round}
#time .mark{fill-opacity:.6}
svg .mark.adapted,.bar.adapted{fill-opacity:.15;stroke:var(--c)}
svg .mark.adapted{stroke-width:.4}
.heats{grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr))}
.heat{table-layout:fixed;border-collapse:separate;border-spacing:2px;
max-width:440px;align-self:start}
.heat th,.heat td{border:0;padding:6px 2px;text-align:center;font-size:13px}
.heat th{color:var(--soft);font-weight:500;font-size:11.5px;white-space:nowrap}
.heat th:first-child{width:62px;text-align:right;padding-right:6px}
.heat td{border-radius:4px;color:var(--ink);background:var(--cold);
background:color-mix(in oklab,
var(--warm) calc(var(--v)*100%),var(--cold))}
.heat td.hot{color:var(--onwarm)}
.heat td.none{background:none;color:var(--soft)}
article{padding:16px 0;border-top:1px solid var(--line)}
article p{margin:0 0 4px}
.tags{color:var(--soft);font-size:13px}
.question{font-weight:600}
bdi{overflow-wrap:anywhere}
.answers{margin-top:6px;font-size:14px}
.answers th,.answers td{padding:5px 10px 5px 0;border:0;text-align:left;
white-space:nowrap}
.answers th{width:104px;font-weight:500}
.answers td:nth-child(2){width:120px}
.answers .quote{white-space:pre-wrap}
pre{margin:8px 0 0;padding:14px 16px;border-radius:10px;background:var(--bg);
border:1px solid var(--line);white-space:pre-wrap;overflow-wrap:anywhere;
font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
dl{margin:0;font-size:14px}
dl div{display:grid;grid-template-columns:190px 1fr;gap:12px;padding:5px 0;
border-bottom:1px solid var(--line)}
dl div:last-child{border-bottom:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
@media(max-width:700px){
header,main{padding-left:14px;padding-right:14px}
header{padding-top:28px}
section{margin:14px 0;padding:18px 16px;border-radius:12px}
.stack thead{display:none}
.stack,.stack tbody{display:block}
.stack small{display:block;white-space:normal}
.stack .wide small{display:inline}
.three tr{grid-template-columns:repeat(3,1fr)!important}
.stack tr{display:grid;grid-template-columns:repeat(2,1fr);gap:2px 12px;
padding:12px 0;border-bottom:1px solid var(--line)}
.stack tr:last-child{border-bottom:0}
.stack th{grid-column:1/-1;padding:0 0 2px;border:0;font-size:16px}
.stack td{display:block;padding:3px 0;border:0;text-align:left;
white-space:normal}
.stack td::before{content:attr(data-label);display:block;color:var(--soft);
font-size:12px}
.stack td.wide{grid-column:1/-1;min-width:0}
.matrix th,.matrix td{padding:8px 7px;font-size:14px}
dl div{grid-template-columns:1fr;gap:0}
.answers tr{display:grid;grid-template-columns:1fr auto;padding:5px 0}
.answers th{width:auto;padding:0}
.answers td{padding:0}
.answers td:nth-child(2){width:auto;text-align:right}
.answers td.quote{text-align:left}
.answers .quote{grid-column:1/-1}
}
@media print{body{background:#fff}section{break-inside:avoid}}
)";
}

}  // namespace gist::client
