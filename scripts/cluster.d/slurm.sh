#!/bin/sh
# A cluster of luas for the time of one Slurm job: the server on its first node, an agent on each, the script
# on the first. The keys are made for this job, in a folder that all nodes have and nobody else reads.
#
#     sbatch --nodes 100 scripts/cluster.d/slurm.sh script.lua args...
#
#SBATCH --job-name=luas
#SBATCH --ntasks-per-node=1
set -eu

luas=${LUAS:-luas}
here=${LUAS_CLUSTER_D:-$(dirname "$(scontrol show job "$SLURM_JOB_ID" | sed -n 's/^ *Command=\([^ ]*\).*/\1/p')")}
folder=$(mktemp -d "${SLURM_SUBMIT_DIR:-$PWD}/luas-$SLURM_JOB_ID-XXXXXX")
host=$(hostname -f)
server="" agents=""
end()
{
    [ -z "$agents" ] || kill "$agents" 2>/dev/null || true
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$folder"
}
trap end EXIT
trap 'exit 143' TERM INT

"$luas" --make-key "$folder/pool.key" >/dev/null
LUAS_HOST=$("$luas" --make-nkey "$folder/host.nk")
LUAS_AGENT=$("$luas" --make-nkey "$folder/agent.nk")
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=$host" \
    -addext "subjectAltName=DNS:$host" -keyout "$folder/cert.key" -out "$folder/cert.pem" 2>/dev/null
export LUAS_HOST LUAS_AGENT LUAS_CERT="$folder/cert.pem" LUAS_CERT_KEY="$folder/cert.key"
export LUAS_STORE="${TMPDIR:-/tmp}/luas-nats-$SLURM_JOB_ID"
nats-server -c "$here/nats-server.conf" >"$folder/server.log" 2>&1 &
server=$!
srun --ntasks-per-node=1 "$luas" --agent "tls://$host:4222" -j "${SLURM_CPUS_ON_NODE:-1}" \
    --key "$folder/pool.key" --nkey "$folder/agent.nk" --ca "$folder/cert.pem" >"$folder/agents.log" 2>&1 &
agents=$!
LUAS_KEY=$folder/pool.key "$luas" --cluster "tls://$host:4222" --nkey "$folder/host.nk" --ca "$folder/cert.pem" "$@"
