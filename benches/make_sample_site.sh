#!/bin/sh
# Makes a sample site of the built-in network's last two stages with the example photographs.
#
#     sh benches/make_sample_site.sh FOLDER
#
# Every unit of two layers would be 1,600 pictures; the sample has the first of each. `--dry-run` says how long the whole takes.
set -eu
program="${DEEPINSIDE:-target/release/deepinside}"
exec "$program" publish examples --stages 2 --units 12 --classes 281-285,504,817,948 --top 4 --iterations 96 --out "$1"
