#!/usr/bin/env bash
# Debian packages that only the tests and pictures need: Chromium for the browser test, a CJK font for charts, screenshots and PDF,
# Node for the verifier of evidence packs that is written apart from the Python one.
set -euo pipefail
missing=()
command -v chromium >/dev/null || missing+=(chromium)
{ command -v fc-list >/dev/null && [ -n "$(fc-list :lang=zh family)" ]; } || missing+=(fontconfig fonts-noto-cjk)
command -v node >/dev/null || missing+=(nodejs)
[ ${#missing[@]} -eq 0 ] && exit 0
echo "安装系统包 / installing system packages: ${missing[*]}"
run=()
[ "$(id -u)" = 0 ] || run=(sudo)
if ! command -v apt-get >/dev/null; then
    echo "请用本机的包管理器安装：${missing[*]} / install with this machine's package manager: ${missing[*]}" >&2
    exit 1
fi
"${run[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
