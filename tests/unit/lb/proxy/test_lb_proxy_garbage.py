import gc

from lb.bench.request_cost import request_through_balancer

REQUESTS = 500


async def test_a_request_leaves_nothing_for_the_garbage_collector() -> None:
    request = await request_through_balancer()
    request()
    gc.collect()
    gc.disable()
    try:
        for _ in range(REQUESTS):
            request()
        found = gc.collect()
    finally:
        gc.enable()
    assert found < REQUESTS / 10  # a cycle a request would be several objects each
