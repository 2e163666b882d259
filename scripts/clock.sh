#!/usr/bin/env bash
# Says what begins now: who reads the output of a test run learns what took how long.
printf '==> %(%T)T %s\n' -1 "$*"
