#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Reads a line and answers with it, the process and the time.
import json
import os
import sys
import time
import urllib.request

line = sys.stdin.readline().rstrip()
print(line, os.getpid(), time.strftime('%H:%M:%S'), flush=True)
