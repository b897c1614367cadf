"""What MLX and what is around it print, string by string, and the entry that each has to be.

Kept apart from mlxdiag's own data on purpose: copied from MLX's sources at commit 846d17622
(2026-08-22), from the wheel of 0.32.4, and from public reports for the last part.
"""

from __future__ import annotations

Said = tuple[tuple[str, str], ...]

TCP: Said = (
    ("Can't parse address studio1.local:32323", "address-parse"),
    ("Can't parse address studio1.local", "address-parse"),
    ("[jaccl] Couldn't create socket (error: 24)", "jaccl-socket"),
    ("[ring] Couldn't create socket (error: 24)", "ring-socket"),
    ("[jaccl] Couldn't enable reuseaddr (error: 22)", "jaccl-socket"),
    ("[ring] Couldn't enable reuseaddr (error: 22)", "ring-socket"),
    ("[jaccl] Couldn't enable reuseport (error: 22)", "jaccl-socket"),
    ("[ring] Couldn't enable reuseport (error: 22)", "ring-socket"),
    ("[jaccl] Couldn't bind socket (error: 49)", "jaccl-bind"),
    ("[jaccl] Couldn't bind socket (error: 48)", "jaccl-bind"),
    ("[jaccl] Couldn't bind socket (error: 13)", "jaccl-bind"),
    ("[ring] Couldn't bind socket (error: 49)", "ring-bind"),
    ("[ring] Couldn't bind socket (error: 47)", "ring-bind"),
    ("[jaccl] Couldn't listen (error: 22)", "jaccl-socket"),
    ("[ring] Couldn't listen (error: 22)", "ring-socket"),
    ("[jaccl] Accept failed (error: 24)", "jaccl-socket"),
    ("[ring] Accept failed (error: 24)", "ring-socket"),
    ("[jaccl] Send failed with errno=32", "jaccl-side-channel"),
    ("[ring] Send failed with errno=32", "jaccl-side-channel"),
    ("[jaccl] Recv failed with errno=2", "jaccl-side-channel"),
    ("[jaccl] Recv failed with errno=0", "jaccl-side-channel"),
    ("[jaccl] Recv failed with errno=57", "jaccl-side-channel"),
    ("[jaccl] Recv failed with errno=54", "jaccl-side-channel"),
    ("[jaccl] Recv failed with errno=60", "jaccl-side-channel"),
    ("[ring] Recv failed with errno=54", "jaccl-side-channel"),
    ("[jaccl] Couldn't create socket to connect (error: 24)", "jaccl-socket"),
    ("[ring] Couldn't create socket to connect (error: 24)", "ring-socket"),
    ("[jaccl] Couldn't connect (error: 60)", "jaccl-connect"),
    ("[jaccl] Couldn't connect (error: 61)", "jaccl-connect"),
    ("[jaccl] Couldn't connect (error: 65)", "jaccl-connect"),
    ("[ring] Couldn't connect (error: 61)", "ring-connect"),
    ("[ring] Couldn't connect (error: 51)", "ring-connect"),
    ("[jaccl] Connection attempt 3 waiting 8000 ms", "jaccl-attempt"),
    ("[ring] Attempt 2 waiting 4000 ms (error: 61 )", "ring-attempt"),
)

_ENVIRONMENT = (
    "[jaccl] You need to provide via environment variables a rank (JACCL_RANK/MLX_RANK), a device"
    " file (JACCL_IBV_DEVICES/MLX_IBV_DEVICES) and a coordinator ip/port"
    " (JACCL_COORDINATOR/MLX_JACCL_COORDINATOR)."
)
_FACTORY = (
    "[jaccl] You need to provide via environment variables a rank (JACCL_RANK/MLX_RANK) and a"
    " device file (JACCL_IBV_DEVICES/MLX_IBV_DEVICES)"
)
_ROWS = (
    "[jaccl] The device file should contain the connectivity of each rank to all other ranks but"
    " rank 1 contains only 2 entries."
)
_GID = (
    "[jaccl] No IPv4-mapped GID for this device. Thunderbolt RDMA ports only publish one once the"
    " interface has an IPv4 address; assign a link-local address to it, for example: ifconfig"
    " <interface> inet 169.254.0.1 netmask 255.255.0.0 alias"
)
_PR_RTR = (
    "[jaccl] Changing queue pair to RTR failed with errno 60 on rdma_en4 (port PORT_ACTIVE) towards"
    " peer 10.0.3.2 (peer unreachable on this link: wrong cable/device or the peer's link-local"
    " address is gone)"
)
_PR_GONE = (
    "[jaccl] peer is gone: side channel to rank 2 closed while waiting in all_reduce (a rank died"
    " or exited; UC RDMA never reports this by itself)"
)
_PR_STUCK = (
    "[jaccl] no progress in all_reduce for 30 s (JACCL_PROGRESS_TIMEOUT_S=30): lost frame or wedged"
    " peer"
)

JACCL: Said = (
    ("[jaccl] The device file should start with an array", "jaccl-not-array"),
    ("[jaccl] The device file should have an array of arrays", "jaccl-not-rows"),
    (_ROWS, "jaccl-not-square"),
    ("[jaccl] Device names should be null, a string or array of strings.", "jaccl-bad-cell"),
    (
        "[json.exception.parse_error.101] parse error at line 1, column 1: syntax error while"
        " parsing value - unexpected end of input; expected '[', '{', or a literal",
        "json-parse",
    ),
    (
        "[jaccl] The full connectivity matrix should be provided but we have 4 rows and row 2 has 3"
        " columns.",
        "jaccl-not-square",
    ),
    ("[jaccl] The devices do not form a valid mesh.", "jaccl-not-mesh"),
    ("[jaccl] The devices do not form a valid ring.", "jaccl-not-mesh"),
    (_ENVIRONMENT, "jaccl-environment"),
    (_FACTORY, "jaccl-environment"),
    ("[jaccl] The configuration should define a valid mesh or a valid ring.", "jaccl-not-mesh"),
    ("[jaccl] dlsym(0x87e5c, ibv_get_device_list): symbol not found", "jaccl-symbol"),
    ("[jaccl] Buffer can be registered once per protection domain", "jaccl-registered-twice"),
    ("[jaccl] Register memory region failed", "jaccl-memory-region"),
    ("[jaccl] Couldn't allocate protection domain", "jaccl-protection-domain"),
    ("[jaccl] Couldn't create completion queue", "jaccl-completion-queue"),
    ("[jaccl] Creating the queue pair failed with 'Resource busy (16)'.", "jaccl-queue-pair"),
    (
        "[jaccl] Creating the queue pair failed with 'Operation not supported on socket (102)'.",
        "jaccl-queue-pair",
    ),
    ("[jaccl] Couldn't create queue pair", "jaccl-queue-pair"),
    (_GID, "jaccl-no-gid"),
    ("[jaccl] Changing queue pair to INIT failed with errno 22", "jaccl-init-state"),
    ("[jaccl] Changing queue pair to RTR failed with errno 22", "jaccl-rtr"),
    ("[jaccl] Changing queue pair to RTR failed with errno 96", "jaccl-rtr"),
    ("[jaccl] Changing queue pair to RTR failed with errno 60", "jaccl-rtr"),
    ("[jaccl] Changing queue pair to RTR failed with errno 16", "jaccl-rtr"),
    ("[jaccl] Changing queue pair to RTS failed with errno 22", "jaccl-rts"),
    ("[jaccl] Send failed with error code -12", "jaccl-post"),
    ("[jaccl] Recv failed with error code -12", "jaccl-post"),
    ("[jaccl] Could not open device rdma_en5", "jaccl-open-device"),
    ("[jaccl] Could not find device rdma_en9 (3 available)", "jaccl-wrong-device"),
    ("[jaccl] Could not find device rdma_en9 (10 available)", "jaccl-wrong-device"),
    ("[jaccl] Could not find device rdma_en9 (0 available)", "jaccl-no-device"),
    ("[jaccl] The JACCL mesh supports up to 8 peers but 9 were provided.", "jaccl-mesh-size"),
    ("[jaccl] Up to 4 per direction supported but 5 were provided.", "jaccl-ring-wires"),
    (
        "[jaccl] In ring mode send is only supported to direct neighbors but tried to send to 2"
        " from 0",
        "jaccl-ring-neighbours",
    ),
    (
        "[jaccl] In ring mode recv is only supported to direct neighbors but tried to recv from 2"
        " to 0",
        "jaccl-ring-neighbours",
    ),
    ("[jaccl] Unsupported dtype for JACCL operation", "jaccl-dtype"),
    ("[jaccl] Group split not supported.", "jaccl-unsupported"),
    ("Cannot initialize jaccl distributed backend.", "jaccl-no-build"),
    ("[ThreadPool::enqueue] Not allowed on stopped ThreadPool", "thread-pool"),
    ("[jaccl] Malformed device file", "jaccl-malformed"),
    ("[jaccl] The maximum number of supported peers is 8", "jaccl-mesh-size"),
    ("[jaccl] Invalid rank 7. It should be between 0 and 4", "jaccl-rank"),
    ("[jaccl] sum_scatter not supported.", "jaccl-unsupported"),
    ("Custom all-gather returned 3 bytes but expected 4", "jaccl-all-gather"),
    (
        "[jaccl] Couldn't allocate protection domain on rdma_en3 (port PORT_DOWN) (errno 5): is the"
        " Thunderbolt link up?",
        "jaccl-protection-domain",
    ),
    (_PR_RTR, "jaccl-rtr"),
    (_PR_GONE, "jaccl-peer-gone"),
    (_PR_STUCK, "jaccl-no-progress"),
)

RING: Said = (
    (
        "[ring] You need to provide via environment variables both a rank (MLX_RANK) and a hostfile"
        ' (MLX_HOSTFILE) but provided MLX_RANK="" and MLX_HOSTFILE="/tmp/x"',
        "ring-environment",
    ),
    ("[ring] Rank cannot be larger than the size of the group", "ring-rank"),
    ("[ring] Rank 1 has no sockets to the right.", "ring-no-sockets"),
    ("[ring] Rank 1 has no sockets to the left.", "ring-no-sockets"),
    (
        "[ring] It is required to have as many connections to the left as to the right but rank 2"
        " has 2 connections to the right and 1 to the left.",
        "ring-uneven",
    ),
    ("[ring] Rank 3 accepting", "ring-phase"),
    ("[ring] Rank 3 connecting to 0", "ring-phase"),
    ("[ring] Socket 5 was closed by the peer", "ring-gave-up"),
    ("[ring] Receiving from socket 5 failed with errno 54", "ring-receive"),
    ("[ring] Receiving from socket 5 failed with errno 60", "ring-link"),
    ("[ring] Sending to socket 5 failed with errno 50", "ring-link"),
    ("[ring] Sending to socket 5 made no progress", "ring-receive"),
    ("[ring] Sending to socket 5 failed with errno 32", "ring-receive"),
    ("[ring] Too many send/recv errors. Failing pending tasks...", "ring-gave-up"),
    ("[ring] connection to a peer was lost", "ring-lost"),
    ("[ring] Too many send/recv errors. Aborting...", "ring-gave-up"),
    (
        "[ring] Send only supported to direct neighbors but tried to send to 2 from 0",
        "ring-neighbours",
    ),
    (
        "[ring] Recv only supported from direct neighbors but tried to recv from 2 to 0",
        "ring-neighbours",
    ),
    ("Can't perform the ring all reduce of 3 elements with a ring of size 4", "ring-too-small"),
    ("[ring] sum_scatter not supported.", "ring-unsupported"),
    ("[ring] Group split not supported.", "ring-unsupported"),
    ("Cannot initialize ring distributed backend.", "ring-no-build"),
)

MPI: Said = (
    (
        "[mpi] MPI found but it does not appear to be Open MPI.MLX requires Open MPI but this is"
        " MPICH Version: 4.2.1",
        "mpi-not-open-mpi",
    ),
    ("Cannot initialize MPI", "mpi-init"),
    (
        "[mpi] The world has a single process. Launch with mpirun to initialize the mpi backend.",
        "mpi-single-process",
    ),
    ("Invalid type", "mpi-type"),
    ("MPI could not split this group", "mpi-split"),
    ("[mpi] sum_scatter not yet implemented.", "mpi-sum-scatter"),
)

GENERIC: Said = (
    ("[distributed] Couldn't initialize any backend", "no-backend"),
    (
        "[distributed] The only valid values for backend are 'any', 'mpi', 'nccl', 'jaccl' and"
        " 'ring' but 'jaccl-ring' was provided.",
        "backend-name",
    ),
    (
        "[distributed] The only valid values for backend are 'any', 'mpi' and 'ring' but 'jaccl'"
        " was provided.",
        "backend-name",
    ),
    (
        "[distributed] An all gather factory is only supported with the 'jaccl' backend but 'ring'"
        " was provided.",
        "factory-backend",
    ),
    ("Communication not implemented in an empty distributed group.", "group-of-one"),
    ("Cannot split the distributed group further.", "group-split"),
    ("Cannot send to a singleton group", "group-of-one"),
    ("Cannot recv from a singleton group", "group-of-one"),
    ("all_gather_factory must return a callable", "factory-callable"),
    ("all_gather_factory is only supported with backend='jaccl'.", "factory-backend"),
    ("Only all reduce sum, max and min are supported for now", "reduce-operation"),
    ("Only all reduce sum, min and max are supported for now", "reduce-operation"),
    (
        "[METAL] Command buffer execution failed: Caused GPU Timeout Error"
        " (00000002:kIOGPUCommandBufferCallbackErrorTimeout).",
        "metal-gpu-timeout",
    ),
    (
        "[METAL] Command buffer execution failed: Insufficient Memory"
        " (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory).",
        "metal-out-of-memory",
    ),
    (
        "[METAL] Command buffer execution failed: Ignored (for causing prior/excessive GPU errors)"
        " (00000004:kIOGPUCommandBufferCallbackErrorSubmissionsIgnored).",
        "metal-command-buffer",
    ),
    (
        "[metal::set_wired_limit] Setting a wired limit larger than the maximum working set size is"
        " not allowed.",
        "metal-wired-limit",
    ),
)

LAUNCH: Said = (
    ("The ring backend requires IPs to be provided instead of hostnames", "launch-no-ips"),
    ("Rank 0 should have an IP reachable from all other ranks", "launch-rank-0-ip"),
    ("Malformed hostfile for jaccl backend", "launch-malformed"),
    (
        "The hostfile is malformed: number of RDMA devices does not match hosts",
        "launch-malformed",
    ),
    ("The hostfile is malformed: RDMA device of self should be null", "launch-malformed"),
    (
        "The hostfile is malformed: no RDMA device is listed for studio1 to studio3",
        "launch-malformed",
    ),
    ("No script is provided", "launch-no-script"),
    (
        "The backend should be one of {'ring', 'mpi', 'nccl', 'jaccl', 'jaccl-ring'}",
        "launch-backend",
    ),
    ("'MY-VAR=1' is an invalid environment variable so it is ignored", "launch-environment"),
    ("Failed to change directory to /Users/alex/work", "launch-folder"),
    ("Node with rank 1 was killed", "launch-killed"),
    ("Node with rank 1 exited with code 255", "launch-exit-255"),
    ("Node with rank 1 exited with code 127", "launch-exit-127"),
    ("Node with rank 1 exited with code 126", "launch-exit-127"),
    ("Node with rank 1 exited with code 137", "launch-exit-killed"),
    ("Node with rank 1 exited with code -9", "launch-exit-killed"),
    ("Node with rank 1 exited with code 139", "launch-exit-signal"),
    ("Node with rank 1 exited with code -11", "launch-exit-signal"),
    ("Node with rank 1 exited with code -6", "launch-exit-signal"),
    ("Node with rank 1 exited with code -15", "launch-exit-ended"),
    ("Node with rank 1 exited with code 143", "launch-exit-ended"),
    ("Node with rank 1 exited with code 1", "launch-exit"),
    ("Node with rank 11 exited with code 2", "launch-exit"),
    ("Node with rank 1 completed", "launch-completed"),
    ("Could not ssh to the following hosts:", "config-no-ssh"),
    ("Maybe they are not set-up for password-less ssh?", "config-no-ssh"),
    ("Could not extract ip for studio2", "config-no-ip"),
    ("studio2 does not seem to have RDMA enabled", "config-no-rdma"),
    (
        "Some of the hosts don't have RDMA enabled or they don't support RDMA.",
        "config-no-rdma",
    ),
    (
        "Automatic setup requested but the following hosts do not have passwordless sudo",
        "config-no-sudo",
    ),
    ("Incomplete mesh, studio1 is not connected to studio3", "config-incomplete-mesh"),
    ("Try passing --dot to visualize the connectivity", "config-hints"),
    ("Could not find a full ring.", "config-no-ring"),
    ("Rings found:", "config-hints"),
    ("Neither thunderbolt mesh nor ring found.", "config-no-ring"),
    ("RDMA is not available and ring is not found.", "config-no-ring"),
    ("Ran out of available local IPs", "config-out-of-ips"),
    ("Hostfile hosts.json doesn't exist", "hostfile-missing"),
    ("Failed to parse hostfile hosts.json ('ssh')", "hostfile-unreadable"),
    ("Hostname cannot be empty", "hostfile-no-name"),
    ("Number should be positive", "launch-number"),
)

SYMPTOMS: Said = (
    ("alex@studio2: Permission denied (publickey,password,keyboard-interactive).", "ssh-denied"),
    ("Permission denied (publickey).", "ssh-denied"),
    ("Host key verification failed.", "ssh-host-key"),
    ("@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @", "ssh-host-key"),
    ("ssh: connect to host studio2 port 22: No route to host", "ssh-no-connection"),
    ("ssh: connect to host studio2 port 22: Operation timed out", "ssh-no-connection"),
    ("ssh: connect to host studio2 port 22: Connection refused", "ssh-no-connection"),
    (
        "ssh: Could not resolve hostname studio2.local: nodename nor servname provided, or not"
        " known",
        "ssh-name",
    ),
    ("Connection to studio2.local closed by remote host.", "ssh-closed"),
    (
        "fish: Unsupported use of '='. In fish, please use 'set pidfile (mktemp)'.",
        "shell-unsupported",
    ),
    ("zsh:1: command not found: python", "python-missing"),
    ("bash: line 1: exec: python: not found", "python-missing"),
    (
        "/bin/bash: line 1: /opt/homebrew/bin/python3.12: No such file or directory",
        "python-missing",
    ),
    ("zsh: command not found: ibv_devices", "rdma-tools-missing"),
    ("bash: rdma_ctl: command not found", "rdma-tools-missing"),
    ("ModuleNotFoundError: No module named 'mlx'", "mlx-missing"),
    ("ModuleNotFoundError: No module named 'mlx_lm'", "mlx-missing"),
    (
        "/opt/venv/bin/python: can't open file '/Users/alex/run.py': [Errno 2] No such file or"
        " directory",
        "script-missing",
    ),
    (
        "subprocess.CalledProcessError: Command 'ssh studio2 'pid=$(cat Last login: Fri Jan 30"
        " 21:02:11 on ttys001); if ps -p $pid >/dev/null; then",
        "launch-pidfile",
    ),
    ("NameError: name 'log_warning' is not defined", "config-crash"),
    ("KeyError: 'domain_uuid_key'", "config-crash"),
    ("KeyError: 'Thunderbolt 4'", "config-crash"),
    ("sudo: a terminal is required to read the password; either use ...", "config-no-sudo"),
    ("fatal error: 'infiniband/verbs.h' file not found", "verbs-header"),
    ("No IB devices found", "verbs-no-devices"),
    ("[metal::malloc] Resource limit (499000) exceeded.", "metal-resource-limit"),
    ("_pickle.UnpicklingError: invalid load key, '\\x00'.", "pickle"),
    ("RuntimeError: all_reduce made no progress for 30001ms", "jaccl-no-progress"),
    (
        'panic(cpu 6 caller 0xfffffe0037): "completeMemory() prepare count underflow"'
        " @IOGPUMemory.cpp:550",
        "panic-gpu-memory",
    ),
    (
        'panic(cpu 6 caller 0xfffffe0037): "Memory object unexpectedly not found in'
        ' fPendingMemorySet" @IOGPUGroupMemory.cpp:219',
        "panic-gpu-memory",
    ),
    (
        "panic(cpu 0 caller 0xfffffe0037): watchdog timeout: no checkins from watchdogd in 92"
        " seconds (1234 total checkins since monitoring last enabled)",
        "panic-watchdog",
    ),
    ("0xfffffe10 : IOThunderboltFamily + 0x343c", "panic-rdma"),
    ("         com.apple.driver.AppleThunderboltRDMA(0.0.1)[0A1B]@0xfffffe00", "panic-rdma"),
    ("AppleThunderboltRDMAInterface::deallocPD", "crash-allocate-domain"),
    (
        "3   libthunderboltrdma.dylib      \t       0x1c1d2e3f4 tbt_post_recv + 512",
        "crash-post-receive",
    ),
    (
        "0   libibverbs.dylib              \t       0x1a2b3c4d5 ibv_reg_mr_iova2 + 24",
        "crash-register-memory",
    ),
    (
        "1   libjaccl.dylib 0x1 jaccl::SharedBuffer::register_to_protection_domain(ibv_pd*) + 76",
        "crash-register-memory",
    ),
    ("2   libjaccl.dylib 0x1 jaccl::MeshGroup::allocate_buffers() + 400", "crash-jaccl"),
    ("zsh: segmentation fault  python generate.py", "process-crashed"),
    ("generate.sh: line 4: 61234 Segmentation fault: 11  python generate.py", "process-crashed"),
    ("zsh: killed     python generate.py", "process-killed"),
    ("rdma_ctl: This tool needs to be executed from Recovery OS.", "recovery-only"),
    (
        "kernel: (AppleThunderboltRDMA) AppleThunderboltRDMA::isSupportedThunderboltSpeed(2) -"
        " Thunderbolt controller does not support Thunderbolt 5, RDMA not supported. Exiting..",
        "rdma-not-tb5",
    ),
    ("receive-queue resource shortage in AppleThunderboltRDMAReceiveQueue", "rdma-receive-queue"),
    ("KeyboardInterrupt", "interrupted"),
    (
        "FileNotFoundError: [Errno 2] No such file or directory:"
        " '/Users/alex/models/Kimi/model.safetensors.index.json'",
        "model-missing",
    ),
    (
        "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate"
        " the file on the Hub",
        "model-offline",
    ),
    ("OSError: [Errno 65] No route to host", "local-network"),
    ("ping: sendto: No route to host", "local-network"),
    ("OSError: [Errno 48] Address already in use", "server-port"),
    (
        "ERROR:    [Errno 48] error while attempting to bind on address ('0.0.0.0', 8080): address"
        " already in use",
        "server-port",
    ),
    ("OSError: [Errno 24] Too many open files", "open-files"),
    ("OSError: [Errno 28] No space left on device: '/Users/alex/x'", "disk-full"),
    ("dyld[812]: Library not loaded: /usr/lib/librdma.dylib", "library-missing"),
    ("kex_exchange_identification: Connection closed by remote host", "ssh-closed"),
    (
        "Received disconnect from 10.0.0.2 port 22:2: Too many authentication failures",
        "ssh-denied",
    ),
    ("ValueError: Model type nemotron not supported for pipelining", "no-parallelism"),
    ("AttributeError: 'Model' object has no attribute 'shard'", "no-parallelism"),
)

SECTIONS: dict[str, Said] = {
    "tcp": TCP,
    "jaccl": JACCL,
    "ring": RING,
    "mpi": MPI,
    "generic": GENERIC,
    "launch": LAUNCH,
    "symptoms": SYMPTOMS,
}
ALL: Said = tuple(pair for said in SECTIONS.values() for pair in said)
