#!/bin/sh
# No service is started. (invoke-rc.d(8), BACKEND)
exit 101
