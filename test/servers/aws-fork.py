"""Runs the real aws CLI without its second of start-up: a process that imported it forks once for each call.

aws-fork.py serve SOCKET: the process. aws-fork.py write SOCKET FILE: writes the program `aws` that asks it.
The call gets the caller's files, folder, environment and arguments, and ends when its caller is killed, as the CLI itself would.
"""
import json
import os
import signal
import socket
import sys
import threading

CLIENT = """#!{python} -SE
import json, os, socket, sys
asked = socket.socket(socket.AF_UNIX)
asked.connect({path!r})
told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(asked, [len(told).to_bytes(4, "big")], [0, 1, 2])
asked.sendall(told)
code = asked.recv(1)
sys.exit(code[0] if code else 1)
"""


def serve(path):
    import awscli.clidriver
    import awscli.customizations.commands
    import awscli.handlers

    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(128)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    while True:
        call, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            run(call, awscli.clidriver.main)
        call.close()


def run(call, main):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(call, 4, 3)
    told = b""
    while len(told) < int.from_bytes(size, "big"):
        told += call.recv(65536)
    words, folder, environment = json.loads(told)
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.chdir(folder)
    # The CLI found its own data by this when it was imported.
    data = os.environ["AWS_DATA_PATH"]
    os.environ.clear()
    os.environ.update(environment, AWS_DATA_PATH=data)
    sys.argv = ["aws", *words]
    threading.Thread(target=end_with, args=[call], daemon=True).start()
    code = 1
    try:
        code = main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        call.send(bytes([code % 256]))
        os._exit(0)


def end_with(call):
    call.recv(1)
    os._exit(1)


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    with open(sys.argv[3], "w", encoding="utf8") as file:
        file.write(CLIENT.format(python=sys.executable, path=sys.argv[2]))
    os.chmod(sys.argv[3], 0o755)
