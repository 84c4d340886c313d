"""The probe matrix's other side: what an honest measure does works, and what it may not do says so."""

import zlib

import pytest

from submissions.storage.states import Reason
from tests.worker.conftest import Evaluate
from tests.worker.sandbox.probes import Attempt, Layer, Probe, each
from tests.worker.sandbox.sandboxed import function, value_of
from worker.sandbox.protocol import Value

pytestmark = pytest.mark.usefixtures("the_next_network_is_unaffected")


HONEST = {
    "scipy.sparse.linalg.eigsh": """
        from scipy.sparse.linalg import eigsh
        return eigsh(np.diag(np.arange(50.0)), k=1)[0][0]
        """,
    "scipy.stats": """
        from scipy.stats import kendalltau
        return kendalltau([1, 2, 3], [1, 3, 2]).statistic
        """,
    "scipy.optimize": """
        from scipy.optimize import minimize
        return minimize(lambda x: (x**2).sum(), np.ones(3)).fun
        """,
    "sklearn KMeans": """
        from sklearn.cluster import KMeans
        return KMeans(2, n_init=1).fit(np.random.rand(20, 3)).inertia_
        """,
    "sklearn PCA": """
        from sklearn.decomposition import PCA
        return PCA(2).fit(np.random.rand(20, 3)).explained_variance_[0]
        """,
    "sklearn with jobs": """
        from sklearn.neighbors import KNeighborsClassifier as K
        return K(n_jobs=2).fit(np.eye(9), range(9)).score(np.eye(9), range(9))
        """,
    "torch.func.hessian": "return torch.func.hessian(lambda x: (x**3).sum())(torch.ones(3)).sum()",
    "torch.func.vmap": "return torch.func.vmap(torch.sum)(dataset.inputs).mean()",
    "torch.func.functional_call and grad": """
        from torch.func import functional_call, grad
        w = dict(model.named_parameters())
        gradients = grad(lambda w: functional_call(model, w, (dataset.inputs,)).sum())(w)
        return sum(g.abs().sum() for g in gradients.values())
        """,
    "torch.jit.script": "return torch.jit.script(torch.nn.Linear(2, 2))(torch.ones(2)).sum()",
    "torch.jit.trace": "return torch.jit.trace(model, dataset.inputs)(dataset.inputs).sum()",
    "torch.fx": "return torch.fx.symbolic_trace(model)(dataset.inputs).sum()",
    "torch.linalg": "return torch.linalg.svdvals(torch.rand(20, 30)).max()",
    "forward hooks": """
        sizes = []
        [m.register_forward_hook(lambda m, i, o: sizes.append(o.numel())) for m in model]
        model(dataset.inputs)
        return sum(sizes)
        """,
    "copying and training the network": """
        import copy
        net = copy.deepcopy(model).train()
        opt = torch.optim.SGD(net.parameters(), 0.1)
        loss = torch.nn.functional.cross_entropy(net(dataset.inputs), dataset.labels)
        loss.backward()
        opt.step()
        return loss
        """,
    "tempfile": """
        import tempfile
        with tempfile.NamedTemporaryFile() as f, tempfile.TemporaryDirectory() as d:
            torch.save(model.state_dict(), d + '/x')
            return len(torch.load(d + '/x'))
        """,
    "a cache in shared memory": """
        open('/dev/shm/x', 'wb').write(b'x')
        return os.path.getsize('/dev/shm/x')
        """,
    "a thread": """
        import threading
        out = []
        t = threading.Thread(target=out.append, args=(1.0,))
        t.start()
        t.join()
        return out[0]
        """,
    "a pool of threads": """
        from concurrent.futures import ThreadPoolExecutor as P
        with P(4) as p: return sum(p.map(float, range(4)))
        """,
    "torch.set_num_threads": """
        torch.set_num_threads(2)
        return (torch.ones(500, 500) @ torch.ones(500, 500)).mean()
        """,
    "a DataLoader": "return len(list(torch.utils.data.DataLoader(dataset, batch_size=8, shuffle=True)))",
    "the dataset's batches": "return sum(len(labels) for _, labels in dataset.batches(7))",
    "warnings and logging": """
        import logging, warnings
        warnings.warn('x')
        logging.warning('y')
        return 1.0
        """,
    "os.cpu_count and the time": """
        import datetime
        return os.cpu_count() + datetime.datetime.now().year
        """,
    "a socket pair": """
        a, b = socket.socketpair()
        a.send(b'x')
        return len(b.recv(1))
        """,
    "a thread of C that is joined": """
        import ctypes
        libc, thread = ctypes.CDLL(None), ctypes.c_ulong()
        kind = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
        work = kind(lambda _: time.sleep(0.1))
        assert libc.pthread_create(ctypes.byref(thread), None, work, None) == 0
        assert libc.pthread_join(thread, None) == 0
        return 1.0
        """,
    "a lock of multiprocessing, between threads": """
        import multiprocessing, threading
        lock, out = multiprocessing.Lock(), []
        def work():
            with lock: out.append(1.0)
        with lock:
            t = threading.Thread(target=work)
            t.start()
            time.sleep(0.1)
        t.join()
        return out[0]
        """,
    "a database in memory": """
        import sqlite3
        with sqlite3.connect(':memory:') as d: return d.execute('select 1.0').fetchone()[0]
        """,
    "writing through to the disk": """
        with open('/tmp/x', 'wb') as f:
            f.write(b'x')
            os.fsync(f.fileno())
        return os.path.getsize('/tmp/x')
        """,
    "an asyncio loop": """
        import asyncio
        async def one(): return 1.0
        return asyncio.run(one())
        """,
}


@pytest.mark.parametrize("body", HONEST.values(), ids=HONEST)
def test_an_honest_measure_may_use(evaluate: Evaluate, body: str) -> None:
    outcome = evaluate(function(body))
    assert isinstance(outcome, Value), outcome


@each(
    Probe(
        "a DataLoader with workers",
        "return len(list(torch.utils.data.DataLoader(dataset, batch_size=8, num_workers=2)))",
        Reason.RAISED,
        "PermissionError|OSError|RuntimeError|FileNotFoundError",
        (Layer.SECCOMP,),
    ),
    Probe(
        "a multiprocessing pool",
        """
        import multiprocessing
        with multiprocessing.Pool(2) as pool: return sum(pool.map(float, range(4)))
        """,
        Reason.RAISED,
        "PermissionError|OSError|ImportError",
        (Layer.SECCOMP,),
    ),
    Probe(
        "a pool of processes",
        """
        from concurrent.futures import ProcessPoolExecutor as P
        with P(2) as p: return sum(p.map(float, range(4)))
        """,
        Reason.RAISED,
        "PermissionError|OSError|NotImplementedError|ImportError",
        (Layer.SECCOMP,),
    ),
    Probe(
        "a subprocess",
        """
        import subprocess
        return len(subprocess.run(['ls'], capture_output=True).stdout)
        """,
        Reason.RAISED,
        "FileNotFoundError|PermissionError",
        (Layer.SECCOMP, Layer.READ_ONLY, Layer.LANDLOCK),
    ),
    Probe(
        "torch.compile",
        "return torch.compile(torch.nn.Linear(2, 2))(torch.ones(2)).sum()",
        Reason.RAISED,
        " at complexity.py line",
        (Layer.SECCOMP, Layer.READ_ONLY, Layer.LANDLOCK),
    ),
    Probe(
        "downloading",
        """
        import urllib.request
        return len(urllib.request.urlopen('http://192.0.2.1').read())
        """,
        Reason.RAISED,
        "URLError",
        (Layer.NO_NETWORK, Layer.SECCOMP, Layer.LANDLOCK),
    ),
)
def test_what_does_not_work_says_so_in_the_measures_own_line(attempt: Attempt, probe: Probe) -> None:
    attempt(probe)


def test_the_seed_decides_every_random_number(evaluate: Evaluate) -> None:
    body = """
        import random
        return random.random() + np.random.rand() + float(torch.rand(())) + hash('x') % 1000
        """
    first, again, other = (value_of(evaluate(function(body), seed=seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_a_zip_brings_its_own_modules_and_data(evaluate: Evaluate) -> None:
    files = {
        "complexity.py": b"import json\nfrom parts.one import ONE\n\n\ndef complexity(model, dataset):\n"
        b"    return ONE + json.load(open('table.json'))['two']\n",
        "parts/one.py": b"ONE = 1\n",
        "table.json": b'{"two": 2}',
    }
    assert value_of(evaluate(files)) == 3.0


def test_files_of_a_zip_arrive_as_they_were(evaluate: Evaluate) -> None:
    files = {
        "nothing": b"",
        "deep/er/every byte": bytes(range(256)) * 1000,
        "deep/über": "ü".encode(),
        "complexity.py": b"import os, zlib\n\n\ndef complexity(model, dataset):\n"
        b"    found = [os.path.join(at, name) for at, _, names in os.walk('.') for name in names]\n"
        b"    return zlib.crc32(repr([(path, open(path, 'rb').read()) for path in sorted(found)]).encode())\n",
    }
    wanted = sorted((f"./{path}", content) for path, content in files.items())
    assert value_of(evaluate(files)) == zlib.crc32(repr(wanted).encode())
