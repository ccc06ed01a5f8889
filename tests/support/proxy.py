"""A line between machines: passes what comes to its port on to another one of this machine.

    proxy.py PORT      prints the port that it listens at; stopped by a signal it is a line that is cut
"""
import select
import socket
import sys


def main():
    target = int(sys.argv[1])
    door = socket.create_server(("127.0.0.1", 0))
    print(door.getsockname()[1], flush=True)
    other = {}
    while True:
        for sock in select.select([door, *other], [], [])[0]:
            if sock is door:
                near = door.accept()[0]
                try:
                    far = socket.create_connection(("127.0.0.1", target))
                except OSError:
                    near.close()
                    continue
                other[near], other[far] = far, near
            elif sock in other:
                try:
                    data = sock.recv(1 << 16)
                    other[sock].sendall(data)
                except OSError:
                    data = b""
                if not data:
                    far = other.pop(sock)
                    other.pop(far, None)
                    sock.close()
                    far.close()


main()
