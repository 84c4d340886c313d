"""The probe matrix: what a measure forges, patches, looks for or prints decides its own number at most."""

import pytest

from submissions.storage.states import Reason
from tests.worker.conftest import Evaluate
from tests.worker.sandbox.probes import Attempt, Layer, Probe, each, lines
from tests.worker.sandbox.sandboxed import failure_of, function

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")

TEXT_CHARACTERS = 500
LOG_BYTES = 64 * 1024

# The descriptors of the result and the report, as a measure may find them: they are pipes.
PIPES = """
import stat, struct
def pipes():
    for descriptor in range(3, 200):
        try:
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                yield descriptor
        except OSError:
            continue
result, told = list(pipes())[:2]
"""
# The words are written backwards, or the look would find its own source.
COUNT = """
if not any("/tmp/measure" in text for text in seen): raise LookupError
words = [word[::-1] for word in $words_backwards]
return float(sum(any(word in text for text in seen) for word in words))
"""
VICTIMS = """
import builtins, json, math, struct, traceback
def wrong(*_, **__): return 99.0
"""


def forged(attack: str, body: str, ends: Reason | float, says: str = "") -> Probe:
    return Probe(attack, lines(PIPES, body), ends, says, (Layer.VERDICT, Layer.COUNTERS))


def patched(attack: str, body: str, ends: Reason | float = 2.5) -> Probe:
    source = lines(VICTIMS, body, "return 2.5")
    return Probe(f"patches {attack}", source, ends, "", (Layer.FORK, Layer.VERDICT), limits={"wall_s": 1.0})


def looked(place: str, look: str) -> Probe:
    """A look for words that nobody inside may know; the value is how many are there."""
    body = lines(look, COUNT)
    return Probe(f"looks for secrets in {place}", body, 0.0, "", (Layer.EMPTY, Layer.FORK))


@each(
    forged(
        "a value of its own, then a clean end",
        """
        os.write(result, b'v' + struct.pack('<d', 7.0))
        os._exit(0)
        """,
        7.0,
    ),
    forged(
        "a forged value before its own",
        "os.write(result, b'v' + bytes(8))\nreturn 1.0",
        Reason.PROTOCOL,
        "bytes instead of one value|more than one",
    ),
    forged(
        "the same value many times",
        """
        for _ in range(1000): os.write(result, b'v' + bytes(8))
        os._exit(0)
        """,
        Reason.PROTOCOL,
        "more than one",
    ),
    forged("half a value", "os.write(result, b'v')\nos._exit(0)", Reason.PROTOCOL, "1 bytes"),
    forged("an unknown tag", "os.write(result, b'z' + bytes(8))\nos._exit(0)", Reason.PROTOCOL, "unknown"),
    forged(
        "the tag that says the fault was ours",
        "os.write(result, b'x' + bytes(8))\nos._exit(0)",
        Reason.PROTOCOL,
        "unknown",
    ),
    forged(
        "infinity, forged",
        """
        os.write(result, b'v' + struct.pack('<d', float('inf')))
        os._exit(0)
        """,
        Reason.NOT_FINITE,
    ),
    forged("a flood of results", "while True: os.write(result, bytes(60_000))", Reason.PROTOCOL, "more than one"),
    forged("a flood of reports", "while True: os.write(told, bytes(60_000))", Reason.PROTOCOL, "more than one"),
    forged("a report that is no JSON", "os.write(told, b'[' * 3000)\nreturn 1.0", 1.0),
    forged(
        "a report of somebody else's file",
        """
        os.write(told, b'{"class": "X", "file": "/etc/passwd", "line": 1}')
        os.write(result, b'r' + bytes(8))
        os._exit(0)
        """,
        Reason.RAISED,
        "^X at /etc/passwd line 1$",
    ),
    forged("every descriptor closed", "os.closerange(0, 1000)\nreturn 1.0", Reason.CRASHED, "without a value"),
    forged(
        "the result closed, another file in its place",
        """
        os.close(result)
        os.dup2(os.open('/tmp/x', os.O_CREAT | os.O_RDWR), result)
        return 1.0
        """,
        Reason.CRASHED,
        "without a value",
    ),
    forged(
        "a late thread that writes after the return",
        """
        import threading
        def late():
            while True: os.write(result, b'v' + bytes(8))
        threading.Thread(target=late).start()
        time.sleep(0.1)
        return 1.0
        """,
        Reason.PROTOCOL,
    ),
    forged("a child that answers too", "if os.fork() == 0:\n    return 2.0\nos.wait()\nreturn 1.0", Reason.PROTOCOL),
    forged("a child that keeps the result open", "if os.fork() == 0: time.sleep(1000)\nreturn 1.0", 1.0),
)
def test_a_forged_answer_is_at_most_its_own_number(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    patched(
        "`json`, `struct`, `traceback` and `math`",
        "json.dumps = struct.pack = struct.unpack = math.isfinite = traceback.extract_tb = wrong",
    ),
    patched(
        "torch and its tensors",
        """
        torch.Tensor.item = torch.Tensor.numel = torch.Tensor.__float__ = wrong
        torch.tensor = torch.load = wrong
        """,
    ),
    patched(
        "the builtins",
        "builtins.float = builtins.type = builtins.len = builtins.isinstance = wrong",
        Reason.CRASHED,
    ),
    patched("the system's calls", "os.write = os.close = os.dup2 = os.fork = wrong"),
    patched(
        "the way out",
        """
        os._exit = sys.exit = wrong
        os.kill = os.waitpid = os.wait = wrong
        """,
    ),
    patched("standard output", "sys.stdout = sys.stderr = sys.stdin = None"),
    patched(
        "a flush that never ends",
        "sys.stdout = type('Slow', (), {'flush': lambda self: time.sleep(1000)})()",
        Reason.TIME_LIMIT,
    ),
    patched(
        "our own harness, by its frames",
        """
        frame = sys._getframe(1)
        while frame:
            frame.f_globals.update(_pack=lambda *_: b'v' + struct.pack('<d', 7.0) * 1, _item=wrong)
            frame = frame.f_back
        """,
        7.0,
    ),
    patched(
        "our way out, by its frames",
        """
        frame = sys._getframe(1)
        while frame:
            if '_exit' in frame.f_globals: frame.f_globals['_exit'] = lambda *_: time.sleep(1000)
            frame = frame.f_back
        """,
        Reason.TIME_LIMIT,
    ),
    patched("the import system", "sys.meta_path.clear(); sys.path.clear(); sys.modules.clear()"),
    patched("tracing of every line", "sys.settrace(lambda *_: 1 / 0)", Reason.NOT_A_NUMBER),
    patched(
        "the garbage collector",
        """
        __import__('gc').callbacks.append(wrong)
        __import__('gc').set_threshold(1)
        """,
    ),
)
def test_what_it_patches_is_its_own(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


@each(
    looked(
        "the frames of whoever called it",
        """
        seen, frame = [], sys._getframe(1)
        while frame is not None:
            seen.append(repr({**frame.f_globals, **frame.f_locals}))
            frame = frame.f_back
        """,
    ),
    looked(
        "every object that the garbage collector knows",
        """
        import gc
        gc.unfreeze()
        seen = []
        for thing in gc.get_objects():
            kind = type(thing)
            held = [*thing, *thing.values()] if kind is dict else thing if kind in (list, tuple, set) else ()
            seen += [str(each) for each in held if type(each) in (str, bytes)]
        """,
    ),
    looked(
        "every file that it can list",
        """
        seen, installed = [], (sys.prefix, sys.base_prefix, "/usr", "/lib")
        for top in ("/", *("/tmp /dev /proc /sys /etc /home /root /run /var /opt /mnt /work".split())):
            for folder, folders, names in os.walk(top):
                if folder.startswith(installed):
                    folders.clear()
                seen += [folder, *names]
        """,
    ),
    looked(
        "its heap, freed memory too",
        """
        import ctypes
        libc = ctypes.CDLL(None)
        libc.sbrk.restype = ctypes.c_void_p
        libc.strdup(b"/tmp/measure")
        heap = next(line for line in open("/proc/self/maps") if "[heap]" in line)
        start, end = int(heap.partition("-")[0], 16), libc.sbrk(0)
        seen = [(ctypes.c_char * (end - start)).from_address(start).raw.decode("latin-1")]
        """,
    ),
)
def test_no_hidden_word_is_to_be_found(attempt: Attempt, probe: Probe) -> None:
    """Networks' ids, paths, passwords. The look must find a word that is known to be there, or it proves nothing."""
    attempt(probe)


def test_output_is_kept_as_a_clean_tail(evaluate: Evaluate) -> None:
    body = r"""
    print("first")
    print("\x1b[31mred\x1b]0;title\x07 plain\x00 \u202eturned \x9b2J")
    os.write(2, b"\xff\xfe\n")
    print("<script>")
    raise ValueError("\x1b[2Jcleared <b>")
    """
    failure = failure_of(evaluate(function(body)))
    assert failure.log is not None
    lines = failure.log.splitlines()
    assert lines[:2] == ["first", "red plain turned 2J"]
    assert lines[3] == "<script>", "escaping for HTML is the page's business"
    assert failure.message == "cleared <b>"


def test_no_text_is_longer_than_anybody_will_read(evaluate: Evaluate) -> None:
    body = r"""
    print("begin", "x" * 300_000, "\x1b[2J" * 1000, "end")
    raise type("N" * 10_000, (Exception,), {})("m" * 10**6)
    """
    failure = failure_of(evaluate(function(body)))
    assert failure.log is not None
    assert failure.message is not None
    assert len(failure.log) <= LOG_BYTES
    assert failure.log.endswith("end")
    assert len(failure.message) <= TEXT_CHARACTERS
    assert len(failure.detail) <= TEXT_CHARACTERS
