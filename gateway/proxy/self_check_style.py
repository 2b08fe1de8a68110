"""The style sheet of the self-check page, which stands in the page itself."""

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --back: #f3f4f6; --card: #fff; --text: #17191c; --soft: #555c66; --line: #dfe2e7;
  --good: #0b6b3a; --good-back: #e2f4e9;
  --bad: #a1251b; --bad-back: #fce9e7;
  --wait: #7a4b00; --wait-back: #fdf1da;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #101214; --card: #1b1e22; --text: #eceef1; --soft: #a6adb8; --line: #31363d;
    --good: #7fd8a4; --good-back: #12301f;
    --bad: #ff9d92; --bad-back: #3a1815;
    --wait: #f2c267; --wait-back: #352609;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 1rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  -webkit-text-size-adjust: 100%;
}
main { max-width: 36rem; margin: 0 auto; }
.title { margin: .25rem 0 .75rem; color: var(--soft); font-size: .9rem; }
header, section {
  margin: 0 0 .9rem; padding: 1rem 1.1rem;
  background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
}
.good { background: var(--good-back); border-color: var(--good); }
.bad { background: var(--bad-back); border-color: var(--bad); }
.wait { background: var(--wait-back); border-color: var(--wait); }
h1 { margin: 0 0 .35rem; font-size: 1.35rem; line-height: 1.25; }
.good h1 { color: var(--good); }
.bad h1 { color: var(--bad); }
.wait h1 { color: var(--wait); }
h2 { margin: 0 0 .5rem; font-size: 1rem; }
p { margin: 0; }
p + p { margin-top: .6rem; }
dl { margin: 0; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0 0 .7rem; overflow-wrap: anywhere; }
dd:last-child { margin-bottom: 0; }
.soft { color: var(--soft); font-size: .85rem; }
.reference {
  font: 600 1.5rem/1.3 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  letter-spacing: .08em; overflow-wrap: anywhere;
}
"""
