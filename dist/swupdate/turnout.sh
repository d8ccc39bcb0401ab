#!/bin/sh
# For SWUpdate, type "shellscript", with the name of the slot as "data": says to Turnout
# what becomes of it. SWUpdate gives "preinst" or "postinst", then the data.
set -eu
case "$1" in
preinst) turnout slot install "$2" ;;
postinst) turnout slot set-primary "$2" ;;
*) echo "turnout.sh: $1 is neither preinst nor postinst" >&2; exit 1 ;;
esac
