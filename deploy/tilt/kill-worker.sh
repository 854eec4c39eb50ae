#!/bin/sh
# Ends one worker's pod without any grace: what it had is recorded by another within 30 s.
set -eu
of=app.kubernetes.io/name=caudal,app.kubernetes.io/instance=caudal,app.kubernetes.io/component=worker
worker=$(kubectl get pods --selector "$of" --field-selector status.phase=Running --output name | head -n 1)
if [ -z "$worker" ]; then
    echo "no worker runs: send a burst first"
    exit 0
fi
kubectl delete "$worker" --grace-period=0 --force
