#!/usr/bin/env bash
# Make or refresh one environment from its pins: install.sh pipeline|superset. Needs Python 3.11 and its pip; writes below the checkout only.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
case "$name" in
pipeline) folder=.venv ;;
superset) folder=.venv-superset ;;
*)
    echo "usage: install.sh pipeline|superset" >&2
    exit 2
    ;;
esac
pins=requirements/$name.txt
wanted=$(cat "$pins" pyproject.toml | sha256sum | cut -d' ' -f1)
[ "$(cat "$folder/.pins" 2>/dev/null || true)" = "$wanted" ] && exit 0

python=${PYTHON:-python3.11}
command -v "$python" >/dev/null || {
    echo "需要 Python 3.11（可用 PYTHON=… 指明）。 / Python 3.11 is needed (name it with PYTHON=…)." >&2
    exit 1
}
export UV_CACHE_DIR=$PWD/.cache/uv UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_LINK_MODE=hardlink
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    uv=$PWD/.cache/uv-venv/bin/uv
    [ -x "$uv" ] || {
        "$python" -m venv .cache/uv-venv
        .cache/uv-venv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check uv
    }
fi
echo "安装 $name 环境到 $folder … / installing the $name environment into $folder …"
[ -x "$folder/bin/python" ] || "$uv" venv --quiet --python "$python" "$folder"
# The bytecode is compiled once here: where it is not kept, every start of a command pays for it (half of a dbt run).
env -u PYTHONDONTWRITEBYTECODE "$uv" pip sync --quiet --compile-bytecode --python "$folder/bin/python" "$pins"
if [ "$name" = pipeline ]; then
    "$uv" pip install --quiet --no-deps --python "$folder/bin/python" --editable .
fi
echo "$wanted" >"$folder/.pins"
