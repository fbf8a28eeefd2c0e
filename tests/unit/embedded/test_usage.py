import subprocess
import sys

import psutil
from support.servers import wait_until

from watchfleet.embedded import usage

BUSY = """
import subprocess, sys, time
while time.process_time() < 0.4: pass
"""
PARENT_OF_ONE = f"{BUSY}subprocess.Popen(['sleep', '60']); time.sleep(60)"
PARENT_OF_NONE_ANY_MORE = f"""
import subprocess, sys, time
subprocess.run([sys.executable, '-c', {BUSY!r}])
print('done', flush=True)
time.sleep(60)
"""


def test_a_tree_costs_what_its_processes_cost() -> None:
    process = subprocess.Popen([sys.executable, "-c", PARENT_OF_ONE])
    try:
        wait_until(lambda: len(psutil.Process(process.pid).children()) == 1)
        whole, alone = usage.of_tree(process.pid), usage.of_process(process.pid)
        assert whole.memory_bytes > alone.memory_bytes > 1024**2
        assert whole.cpu_seconds >= alone.cpu_seconds > 0.3
    finally:
        for child in psutil.Process(process.pid).children():
            child.kill()
        process.kill()
        process.wait()


def test_the_time_of_children_that_are_gone_is_counted() -> None:
    process = subprocess.Popen([sys.executable, "-c", PARENT_OF_NONE_ANY_MORE], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        assert usage.of_tree(process.pid).cpu_seconds > 0.3 > usage.of_process(process.pid).cpu_seconds
        process.kill()
        process.wait()


def test_what_does_not_run_costs_nothing() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert usage.of_tree(process.pid) == usage.of_tree(0) == usage.Usage()
