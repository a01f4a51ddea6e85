#!/bin/sh
# What a program owes the `command` router, over one file for each target: split-file.sh FOLDER read|set|identify, JSON on standard input.
# Needs jq, and flock and sync of util-linux and coreutils. FOLDER/TARGET.json, written once by hand and read by your router:
#   {"environment": "production", "percent": {"blue": 100, "green": 0}}
# and, so that builds can be asked which one they are: "members": {"blue": [{"name": "b1", "address": "http://10.0.0.1:80"}], …}
set -eu
refuse() { echo "split-file.sh: $1" >&2; exit 2; }

folder=$1 verb=$2
input=$(head -c 65536)
target=$(printf '%s' "$input" | jq -er 'select(.formatVersion == 1) | .target | select(test("^[A-Za-z0-9-]+$"))' 2>/dev/null) ||
  refuse 'this is not a request of format 1 for a target'
[ -n "$target" ] || refuse 'there is nothing on standard input'
file=$folder/$target.json
[ -f "$file" ] || refuse "there is no target $target"

# Only what the file has already can be set, to multiples of 0.1 that sum to 100.
check='
def whole: . as $n | ($n * 10 | round) / 10 - $n | fabs < 1e-9;
if (.percent | type) != "object" or (.percent | keys) != ($old[0].percent | keys) then error("other places than the target has")
elif any(.percent[]; type != "number" or . < 0 or (whole | not)) then error("a share that is no multiple of 0.1")
elif (.percent | add - 100 | fabs) > 1e-6 then error("the shares do not sum to 100")
else $old[0] + {percent: .percent} end'

case $verb in
read) jq -ce '{formatVersion: 1, percent: .percent, smallestPercent: 0.1} + (.members // {} | {members: .})' "$file" ;;
identify) jq -ce '{formatVersion: 1, environment: .environment}' "$file" ;;
set)
  # One at a time, and a reader sees the old file or the new one, whole, after a power cut too.
  exec 9>"$folder/.$target.lock"
  flock 9
  new=$(printf '%s' "$input" | jq -ce --slurpfile old "$file" "$check" 2>&1) || refuse "$new"
  printf '%s\n' "$new" >"$folder/.$target.new"
  sync "$folder/.$target.new"
  mv "$folder/.$target.new" "$file"
  sync "$folder"
  ;;
*) refuse "it is read, set or identify, not $verb" ;;
esac
