#!/bin/sh
# A quarter of an hour of an accelerator: speeds beside their targets, then cells of AntMaze (docs/launching.md).
#
#   sh launch/quarter.sh OUT [MINUTES [BUDGET]]
#
# from the root of the checkout. OUT gets tables, JSON and what the next machine goes on from. MINUTES are
# those of the cells. PYTHON names the interpreter that has the project installed, SWEEP the sweep of the
# cells, CARRY a folder `carried` that another machine has left.
set -eu
out=${1:?usage: sh launch/quarter.sh OUT [MINUTES [BUDGET]]}
minutes=${2:-9}
budget=${3:-accelerator}
python=${PYTHON:-python3}
test -d launch/sweeps || { echo "quarter.sh: start it in the root of the checkout" >&2; exit 2; }
test "$minutes" -ge 1 2> /dev/null || { echo "quarter.sh: MINUTES=$minutes must be a whole number of at least 1" >&2; exit 2; }
test -z "${CARRY:-}" || test -d "$CARRY" || { echo "quarter.sh: CARRY=$CARRY is no folder" >&2; exit 2; }
mkdir -p "$out"

measure() {
    name=$1
    shift
    # What fails is told and does not keep the others from the machine.
    "$python" -m "benchmarks.$name" --out="$out/$name.json" "$@" > "$out/$name.md" || echo "$name: failed" >&2
    cat "$out/$name.md"
}

# As many updates in a dispatch as the targets of an accelerator are for.
measure updates --algorithms=rankq,sac,iql,cal_ql --rounds=3 --seconds=1 --updates=1000
measure seeds --algorithms=rankq --seeds=1,4,16 --rounds=3 --seconds=1 --updates=1000
measure collecting --threads="$(nproc)" --rounds=3
exec "$python" -m rankq_jax.cli sweep results "${SWEEP:-launch/sweeps/antmaze.py}" --budget="$budget" \
    --minutes="$minutes" --carry="$out/carried" ${CARRY:+"--carry=$CARRY"} --out="$out/runs" --table="$out/cells.md"
