#!/bin/bash
# What Kafka's DumpLogSegments prints of the golden batches and of the golden data directory.
# dump.sh CLASSPATH_FILE
set -eu
here=$(cd "$(dirname "$0")" && pwd)
classpath=$(cat "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$here/../dump"

dump() { # NAME FILE_IN_WORK ARGUMENT...
  local name=$1 file=$2
  shift 2
  (cd "$work" && java -cp "$classpath" kafka.tools.DumpLogSegments --files "$file" "$@" 2>/dev/null) |
    grep -av SLF4J >"$here/../dump/$name.txt" || true
}

for name in plain headers idempotent control-commit control-leader-change append-time \
  negative-deltas delete-horizon compacted-gzip empty two-batches; do
  cp "$here/../$name.bin" "$work/00000000000000000000.log"
  dump "$name" 00000000000000000000.log --deep-iteration
done
cp "$here/../plain.bin" "$work/00000000000000000000.log"
dump plain-print 00000000000000000000.log --print-data-log
dump plain-shallow 00000000000000000000.log
cp "$here/../nulls.bin" "$work/00000000000000000000.log"
dump nulls-print 00000000000000000000.log --print-data-log
# Damage: a flipped bit in a value; a cut tail.
cp "$here/../plain.bin" "$work/00000000000000000000.log"
printf 'X' | dd of="$work/00000000000000000000.log" bs=1 seek=100 conv=notrunc status=none
dump flipped 00000000000000000000.log --deep-iteration
head -c 250 "$here/../two-batches.bin" >"$work/00000000000000000000.log"
dump cut 00000000000000000000.log --deep-iteration
# Whole segments of the golden data directory: log, offset index, time index.
cp "$here"/../../kafka-data/data/segments-0/* "$work"
for log in "$work"/0*.log; do
  base=$(basename "$log" .log)
  for kind in log index timeindex; do
    dump "segments-0-$base.$kind" "$base.$kind"
  done
done
rm -f "$work"/*
cp "$here"/../../kafka-data/data/transactions-0/* "$work"
dump transactions-0.log 00000000000000000005.log --deep-iteration
