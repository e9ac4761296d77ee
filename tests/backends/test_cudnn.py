"""Several threads compute on GPUs of their own: none of them takes cuDNN's settings away from another."""

import pytest


def test_settings_last_until_the_last_thread_is_done(need):
    need("torch")
    import torch

    from nst.backends.torch.backend import CudnnSettings

    cudnn, settings = torch.backends.cudnn, CudnnSettings()
    before = cudnn.benchmark, cudnn.allow_tf32
    assert before == (False, True)
    settings.__enter__()  # one thread
    settings.__enter__()  # another
    settings.__exit__()  # the first is done
    assert (cudnn.benchmark, cudnn.allow_tf32) == (True, False)
    settings.__exit__()
    assert (cudnn.benchmark, cudnn.allow_tf32) == before


def test_settings_of_the_caller_come_back_after_an_error(need):
    need("torch")
    import torch

    from nst.backends.torch.backend import CudnnSettings

    def fail():
        with CudnnSettings():
            raise KeyError

    cudnn = torch.backends.cudnn
    cudnn.allow_tf32 = False
    try:
        with pytest.raises(KeyError):
            fail()
        assert (cudnn.benchmark, cudnn.allow_tf32) == (False, False)
    finally:
        cudnn.allow_tf32 = True
