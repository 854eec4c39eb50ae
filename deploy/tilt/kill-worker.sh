#!/bin/sh
# Ends one worker's pod without any grace: what it had is recorded by another within 30 s.
set -eu
worker=$(kubectl get pods --selector app.kubernetes.io/component=worker --field-selector status.phase=Running --output name | head -n 1)
if [ -z "$worker" ]; then
    echo "no worker runs: send a burst first"
    exit 0
fi
kubectl delete "$worker" --grace-period=0 --force
