#!/bin/sh
# Tell cluster-generic of a job of Slurm: success, failed or running. With accounting or without.
# A question that hangs is given up, and asked again later; a job that nobody knows has failed.
answer=$(timeout -k 5 60 squeue --noheader --states=all --jobs="$1" --format=%T 2>&1)
known=$?
state=$(echo "$answer" | head -n 1)
if [ $known -ne 0 ]; then
  case $answer in
    *"Invalid job id"*) ;;
    *) echo running; exit 0 ;;
  esac
  state=$(timeout -k 5 60 sacct -X --noheader --parsable2 --jobs="$1" --format=State 2>/dev/null | head -n 1)
fi
case $state in
  COMPLETED) echo success ;;
  PENDING | CONFIGURING | RUNNING | COMPLETING | SUSPENDED | REQUEUED | RESIZING | STAGE_OUT | SIGNALING) echo running ;;
  *) echo failed ;;
esac
