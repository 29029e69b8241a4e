# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ssh's ProxyCommand with ProxyUseFdpass: connect inside a network namespace and hand the socket to ssh.

Usage: netns_connect.py NETNS_FILE HOST PORT. Stands alone, because ssh starts it anew for every connection.
"""

import array
import ctypes
import os
import socket
import sys


def main() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open(sys.argv[1], os.O_RDONLY)
    if libc.setns(namespace, 0x40000000) != 0:
        sys.exit(f"cannot enter {sys.argv[1]}: {os.strerror(ctypes.get_errno())}")
    connection = socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=10)
    connection.settimeout(None)
    ssh = socket.socket(fileno=os.dup(1))
    ssh.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [connection.fileno()]))])


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"{sys.argv[2]} port {sys.argv[3]}: {error}")
