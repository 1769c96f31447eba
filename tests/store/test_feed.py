"""Pages are read once for all who follow, and what was read holds until the next commit."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pourparler import v1 as pb
from pourparler_service.feed import Asked, Commits, Feed, Page, Pages
from pourparler_service.keys import Signer, make_key
from pourparler_service.log import Log
from pourparler_service.negotiations import Negotiations
from pourparler_service.refusal import Refusal
from pourparler_service.store import Store, StoreUnavailableError, open_store
from pourparler_service.tokens import Tokens
from pourparler_service.writer import Group, Writer
from tests.given import joined, opened, said

SIGNER = Signer([make_key("example.org/record")])


class CountedFeed(Feed):
    """Counts the pages that are read, and fails when it is told to."""

    reads = 0
    failing = False

    def page(self, asked: Asked, after: int, most: int | None) -> Page:
        self.reads += 1
        if self.failing:
            raise StoreUnavailableError("As the test tells it.")
        return super().page(asked, after, most)


class Bench:
    """A store with a writer, and a feed from it."""

    def __init__(self, store: Store) -> None:
        self.commits = Commits()
        self.writer = Writer(store, SIGNER, on_commit=self.commits.committed)
        self.quiet = Writer(store, SIGNER)
        self.feed = CountedFeed(
            store, Log(store, Negotiations(store), SIGNER), Tokens(b"secret", "log")
        )
        self.threads = ThreadPoolExecutor(2)
        self.pages = Pages(self.feed, self.commits, self.threads)
        for writer in (self.writer, self.quiet):
            writer.start()

    def record(self, *drafts: pb.Draft, told: bool = True) -> None:
        writer = self.writer if told else self.quiet
        writer.submit(Group("n", "", "anonymous@loopback", drafts)).result(10)

    def begin(self, cursor: str = "") -> Asked:
        return self.feed.begin(pb.ReplayRequest(name="negotiations/n", follow=True, cursor=cursor))

    def close(self) -> None:
        for writer in (self.writer, self.quiet):
            writer.close()
        self.threads.shutdown()


@pytest.fixture(name="bench")
async def _bench() -> AsyncIterator[Bench]:
    store = open_store(None, {})
    bench = Bench(store)
    yield bench
    bench.close()
    store.close()


async def test_a_page_is_read_once_for_all_who_want_it(bench: Bench) -> None:
    bench.record(opened(), joined("a"))
    asked = bench.begin()

    pages = await asyncio.gather(*(bench.pages.page(asked, 0, anew=False) for _ in range(100)))

    assert bench.feed.reads == 1
    assert {page.entries for page in pages} == {2}


async def test_after_a_commit_a_page_is_read_again(bench: Bench) -> None:
    bench.record(opened(), joined("a"))
    asked = bench.begin()
    assert (await bench.pages.page(asked, 2, anew=False)).entries == 0

    bench.record(said("s", "a"))

    await asyncio.sleep(0.05)  # the callers are answered before others are told
    assert (await bench.pages.page(asked, 2, anew=False)).entries == 1


async def test_who_looks_anew_finds_what_nobody_told_of(bench: Bench) -> None:
    bench.record(opened(), joined("a"))
    asked = bench.begin()
    await bench.pages.page(asked, 2, anew=False)

    bench.record(said("s", "a"), told=False)

    assert (await bench.pages.page(asked, 2, anew=False)).entries == 0
    assert (await bench.pages.page(asked, 2, anew=True)).entries == 1
    assert (await bench.pages.page(asked, 2, anew=False)).entries == 1


async def test_a_page_that_could_not_be_read_is_tried_again(bench: Bench) -> None:
    bench.record(opened())
    asked = bench.begin()
    bench.feed.failing = True
    with pytest.raises(StoreUnavailableError):
        await bench.pages.page(asked, 0, anew=False)

    bench.feed.failing = False

    assert (await bench.pages.page(asked, 0, anew=False)).entries == 1


async def test_one_who_leaves_takes_the_page_from_nobody(bench: Bench) -> None:
    bench.record(opened())
    asked = bench.begin()
    first = asyncio.create_task(bench.pages.page(asked, 0, anew=False))
    second = asyncio.create_task(bench.pages.page(asked, 0, anew=False))
    await asyncio.sleep(0)

    first.cancel()

    assert (await second).entries == 1
    assert bench.feed.reads == 1


async def test_two_who_ask_for_different_entries_do_not_get_each_others(bench: Bench) -> None:
    bench.record(opened(), joined("a"), said("s", "a"))
    everything = bench.begin()
    some = bench.feed.begin(
        pb.ReplayRequest(name="negotiations/n", follow=True, entry_types=["statement_recorded"])
    )

    assert (await bench.pages.page(everything, 0, anew=False)).entries == 3
    assert (await bench.pages.page(some, 0, anew=False)).entries == 1


async def test_who_waits_is_told_of_what_they_wait_for(bench: Bench) -> None:
    with bench.commits.awaited("n") as mine, bench.commits.awaited("") as everything:
        with bench.commits.awaited("other") as other:
            bench.record(opened())
            async with asyncio.timeout(10):
                await mine.wait()
                await everything.wait()
            assert not other.is_set()

        mine.clear()
        bench.commits.close()
        assert mine.is_set()


async def test_a_limit_is_the_last_word_even_where_a_page_ends(bench: Bench) -> None:
    bench.record(opened(), joined("a"), *(said(f"s{n}", "a") for n in range(298)))
    asked = bench.feed.begin(pb.ReplayRequest(name="negotiations/n"))

    for most, entries, limited in ((0, 0, True), (256, 256, True), (300, 256, False)):
        page = bench.feed.page(asked, 0, most)
        assert (page.entries, page.limited) == (entries, limited)
    with pytest.raises(Refusal):
        bench.begin(cursor="AAAA")
