import asyncio

from mien.classroom.limits import Bucket, Buckets, Rate, Turns


def test_a_bucket_gives_its_burst_and_then_its_rate(fake_time):
    bucket = Bucket(Rate(burst=3, per_s=0.5), fake_time.clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    fake_time.s = 2
    assert [bucket.take() for _ in range(2)] == [True, False]
    fake_time.s = 1000
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_each_key_has_its_own(fake_time):
    buckets = Buckets(Rate(burst=1, per_s=0), fake_time.clock)
    assert buckets.has("a")
    assert buckets.take("a")
    assert not buckets.has("a")
    assert not buckets.take("a")
    assert buckets.take("b")


def test_many_addresses_fill_no_memory(fake_time):
    buckets = Buckets(Rate(burst=1, per_s=0), fake_time.clock)
    for number in range(10_100):
        buckets.take(str(number))
    assert len(buckets._buckets) == 10_000


def test_of_many_who_come_at_once_one_is_let_through_in_each_round_of_the_event_loop():
    async def scenario():
        turns, rounds, came = Turns(), [0], []

        async def come(number):
            await turns.take()
            came.append((number, rounds[0]))

        async def count():
            while True:
                rounds[0] += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        await asyncio.gather(*(come(number) for number in range(30)))
        counting.cancel()
        return came

    came = asyncio.run(scenario())
    assert [number for number, _ in came] == list(range(30))  # in the order in which they came
    assert len({at for _, at in came}) == 30
