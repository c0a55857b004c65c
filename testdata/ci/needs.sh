#!/usr/bin/env bash
# Installs what the tests need and this machine lacks: a C compiler for the
# race detector, OpenSSL, Dovecot, mbsync, offlineimap and systemd's check of
# units; with the argument "long" also a browser
# and mail readers. On Debian and its kin that happens by
# itself (as root, or where sudo asks for no password); elsewhere it says what
# is missing. It starts no server: the tests start their own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PATH="$PATH:/usr/sbin:/sbin"

# need COMMAND PACKAGE...: notes the packages unless the command is there.
missing=()
need() {
  local command=$1
  shift
  command -v "$command" >/dev/null || missing+=("$@")
}

need gcc gcc libc6-dev
need openssl openssl ca-certificates
need strace strace
need systemd-analyze systemd
need dovecot dovecot-imapd dovecot-pop3d
need mbsync isync
need offlineimap offlineimap3
if command -v dovecot >/dev/null && [[ -d /usr/lib/dovecot && ! -x /usr/lib/dovecot/pop3 ]]; then
  missing+=(dovecot-pop3d)
fi
if [[ ${1:-} == long ]]; then
  need chromium chromium
  need mutt mutt
  need notmuch notmuch
  need python3 python3
fi
if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "the tests need what these Debian packages hold; please install it: ${missing[*]}" >&2
  exit 1
fi

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  as_root=(sudo -n)
fi

echo "installing: ${missing[*]}"
# The packages' scripts would start the mail servers. A policy that the system
# has already stays in force.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
  "${as_root[@]}" install -m 755 "$here/policy-rc.d" "$policy"
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
