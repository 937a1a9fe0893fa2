"""From stacks to the layers and functions of a profile."""

from __future__ import annotations

import pytest
from benchmarks.stacks import UnreadableStacksError, functions_of, layers_of

PERF = """
	ffffffff81b6ab32 _copy_from_iter ([kernel.kallsyms])
	ffffffff81e497a2 tcp_sendmsg_locked+0x1f ([kernel.kallsyms])
	ffffffff81000000 __x64_sys_sendto ([kernel.kallsyms])
	ffffffff82000000 do_syscall_64 ([kernel.kallsyms])
	7ff122700000 send (/usr/lib/x86_64-linux-gnu/libc.so.6)

	ffffffff81b6ab32 asm_sysvec_apic_timer_interrupt ([kernel.kallsyms])
	7ff122900000 _PyEval_EvalFrameDefault (/opt/lib/libpython3.11.so.1.0)

	7ff122900000 _PyEval_EvalFrameDefault+0x12 (/opt/lib/libpython3.11.so.1.0)

	7ff122900040 _PyEval_EvalFrameDefault (/opt/lib/libpython3.11.so.1.0)

	7ff122a00000 [unknown] (/opt/site-packages/orjson/orjson.cpython-311-x86_64-linux-gnu.so)

	7ff122b00000 AES_encrypt (/usr/lib/x86_64-linux-gnu/libcrypto.so.3)
"""
SPY = """main (worker_main.py:34);Driver.run_stage (seatrial/engine/driver.py:253);Connection.send (seatrial/engine/http/connection.py:91);send (libc.so.6) 40
main (worker_main.py:34);Driver.run_stage (seatrial/engine/driver.py:253);Recorder.add (seatrial/engine/recorder.py:56);s_pack_into (_struct.c:1955) 3
main (worker_main.py:34);Driver.run_stage (seatrial/engine/driver.py:253);Recorder.add (seatrial/engine/recorder.py:71) 2
main (worker_main.py:34);Driver.run_stage (seatrial/engine/driver.py:250) 5
<module> (<frozen runpy>);gc_collect (gcmodule.c:1) 1
"""  # noqa: E501


def test_a_sample_in_the_kernel_counts_for_the_system_call_it_serves():
    seen = layers_of(PERF)
    assert seen.total == 6
    assert seen.layers["kernel: sendto"] == 1
    assert seen.layers["kernel: interrupts and faults"] == 1
    assert seen.symbols["_copy_from_iter (kernel)"] == 1


def test_the_interpreter_and_the_libraries_are_told_apart_by_the_file_the_code_is_in():
    seen = layers_of(PERF)
    assert (seen.layers["interpreter"], seen.layers["JSON (orjson, _json)"]) == (2, 1)
    assert seen.layers["TLS (libssl, libcrypto, _ssl)"] == 1
    assert seen.symbols["_PyEval_EvalFrameDefault (interpreter)"] == 2
    assert seen.layers.total() == seen.total


def test_what_a_function_calls_in_c_counts_for_it_and_system_calls_for_nobody():
    seen = functions_of(SPY)
    assert (seen.total, seen.outside) == (51, 11)
    assert seen.functions["Recorder.add (seatrial/engine/recorder.py)"] == 5
    assert seen.functions["Driver.run_stage (seatrial/engine/driver.py)"] == 5
    assert "Connection.send (seatrial/engine/http/connection.py)" not in seen.functions
    assert seen.files["seatrial/engine/driver.py"] == 5
    assert seen.functions.total() == seen.files.total() == seen.outside


@pytest.mark.parametrize("text", ["", "perf: no permission\n", "no count here\n"])
def test_output_without_a_stack_is_no_profile(text: str):
    with pytest.raises(UnreadableStacksError):
        layers_of(text)
    with pytest.raises(UnreadableStacksError):
        functions_of(text)


def test_stacks_of_system_calls_alone_are_no_profile_of_ours():
    with pytest.raises(UnreadableStacksError):
        functions_of("main (a.py:1);send (libc.so.6) 40\n")
