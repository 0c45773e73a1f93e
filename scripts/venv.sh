#!/bin/sh
# Make the virtual environment $1, unless a usable one is there.
# $2, if given, is the Python to use; otherwise the first of the list that runs and can make one.
set -u
venv=$1
wanted=${2:-}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

if [ -z "$wanted" ] && is_new_enough "$venv/bin/python" && "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    exit 0
fi

# Figures in the docs are measured on 3.11, so it comes first. A name may exist and still not run
# (shims of pyenv), and Debian's Python cannot make an environment without its venv package.
too_old='' bare=''
for candidate in ${wanted:-python3.11 python3.12 python3.13 python3.14 python3}; do
    version=$(version_of "$candidate") || continue
    if ! is_new_enough "$candidate"; then
        too_old="$candidate is Python $version"
    elif ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
        bare=${bare:-$version}
    else
        echo "Creating $venv with Python $version"
        exec "$candidate" -m venv --clear "$venv"
    fi
done

if [ -n "$bare" ]; then
    echo "Python $bare is here without its venv module. Install it: apt install python$bare-venv" >&2
elif [ -n "$too_old" ]; then
    echo "Sockwave needs Python 3.11 or newer, and $too_old. Name another: make PYTHON=/path/to/python" >&2
elif [ -n "$wanted" ]; then
    echo "$wanted does not run." >&2
else
    echo "Sockwave needs Python 3.11 or newer, and none was found. Install one: apt install python3 python3-venv" >&2
fi
exit 1
