"""Pages are read once for all who follow, and what was read holds until the next commit."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pourparler import v1 as pb
from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.api.audit_service import AuditServicer, Subscriptions
from pourparler_service.api.call_handler import Call
from pourparler_service.api.quotas import Quota
from pourparler_service.authorization.policy import Policy
from pourparler_service.authorization.viewer_scopes import ScopeResolver
from pourparler_service.domain.principals import ANONYMOUS
from pourparler_service.domain.refusal import RefusalError
from pourparler_service.reads.filtered_states import FilteredStates
from pourparler_service.reads.page_tokens import PageTokens
from pourparler_service.reads.replay import ReplayPage, ReplayReader, ReplayRequest
from pourparler_service.reads.response_cache import ResponseCache
from pourparler_service.reads.subscriptions import CommitNotifier, SharedPages
from pourparler_service.storage.interface import EventStore, StoreUnavailableError
from pourparler_service.transparency.log import Log
from pourparler_service.transparency.signing_keys import Signer, make_key
from pourparler_service.writes.requests import WriteRequest
from pourparler_service.writes.writer import Writer
from tests.support.sample_entries import joined, opened, said
from tests.support.stores import open_store

SIGNER = Signer([make_key("example.org/record")])
SECONDS = 10


class CountedFeed(ReplayReader):
    """Counts the pages that are read, and fails or pauses after it when it is told to."""

    def __init__(self, log: Log) -> None:
        super().__init__(log, PageTokens(b"secret", "log"))
        self.reads = 0
        self.failing = False
        self.pause = threading.Event()
        self.pause.set()

    def page(self, replay: ReplayRequest, after: int, most: int | None) -> ReplayPage:
        if self.failing:
            raise StoreUnavailableError("As the test tells it.")
        page = super().page(replay, after, most)
        self.reads += 1
        assert self.pause.wait(SECONDS)
        return page


class Bench:
    """A store with a writer, and a feed from it."""

    def __init__(self, store: EventStore) -> None:
        self.commits = CommitNotifier()
        self.writer = Writer(store, SIGNER, on_commit=self.commits.on_commit)
        self.quiet = Writer(store, SIGNER)
        self.negotiations = CurrentNegotiations(store)
        self.log = Log(store, self.negotiations, SIGNER)
        self.scopes = ScopeResolver(store, Policy())
        responses = ResponseCache(exclusive=store.exclusive)
        self.states = FilteredStates(self.negotiations, responses)
        self.feed = CountedFeed(self.log)
        self.threads = ThreadPoolExecutor(2)
        self.pages = SharedPages(self.feed, self.commits, self.threads)
        for writer in (self.writer, self.quiet):
            writer.start()

    async def record(self, *drafts: pb.Draft, id_: str = "n", told: bool = True) -> None:
        writer = self.writer if told else self.quiet
        writer.submit(WriteRequest(id_, "", "anonymous@loopback", drafts)).result(SECONDS)
        await asyncio.sleep(0)  # the commit is told of before its caller is answered

    def begin(self, cursor: str = "", id_: str = "n", **more: Any) -> ReplayRequest:
        request = pb.ReplayEntriesRequest(name=f"negotiations/{id_ or '-'}", cursor=cursor, **more)
        return self.feed.begin(request, id_, self.scopes.viewer(ANONYMOUS))

    def follow(self, cursor: str = "", id_: str = "n", **more: Any) -> ReplayRequest:
        return self.begin(cursor, id_, follow=True, **more)

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
    await bench.record(opened(), joined("a"))

    with bench.pages.subscribe(bench.follow()) as followed:
        pages = await asyncio.gather(*(followed.page(0) for _ in range(100)))

    assert bench.feed.reads == 1
    assert {page.entries for page in pages} == {2}


async def test_who_follow_the_same_share_their_pages(bench: Bench) -> None:
    await bench.record(opened(), joined("a"))

    with (
        bench.pages.subscribe(bench.follow()) as one,
        bench.pages.subscribe(bench.follow()) as other,
    ):
        pages = [await one.page(0), await other.page(0)]

    assert bench.feed.reads == 1
    assert [page.entries for page in pages] == [2, 2]


async def test_after_a_commit_a_page_is_read_again(bench: Bench) -> None:
    await bench.record(opened(), joined("a"))
    with bench.pages.subscribe(bench.follow()) as followed:
        assert (await followed.page(2)).entries == 0

        await bench.record(said("s", "a"))

        assert (await followed.page(2)).entries == 1


async def test_a_page_that_is_forgotten_is_read_again(bench: Bench) -> None:
    await bench.record(opened(), joined("a"))
    with bench.pages.subscribe(bench.follow()) as followed:
        first = await followed.page(0)

        bench.pages.purge("given")
        await asyncio.sleep(0)

        assert (await followed.page(0)).entries == first.entries
    assert bench.feed.reads == 2


async def test_who_looks_anew_finds_what_nobody_told_of(bench: Bench) -> None:
    await bench.record(opened(), joined("a"))
    with bench.pages.subscribe(bench.follow()) as followed:
        await followed.page(2)

        await bench.record(said("s", "a"), told=False)

        assert (await followed.page(2)).entries == 0
        assert (await followed.page(2, reread=True)).entries == 1
        assert (await followed.page(2)).entries == 1


async def test_a_page_that_could_not_be_read_is_tried_again(bench: Bench) -> None:
    await bench.record(opened())
    with bench.pages.subscribe(bench.follow()) as followed:
        bench.feed.failing = True
        with pytest.raises(StoreUnavailableError):
            await followed.page(0)

        bench.feed.failing = False

        assert (await followed.page(0)).entries == 1


async def test_one_who_leaves_takes_the_page_from_nobody(bench: Bench) -> None:
    await bench.record(opened())
    with bench.pages.subscribe(bench.follow()) as followed:
        first = asyncio.create_task(followed.page(0))
        second = asyncio.create_task(followed.page(0))
        await asyncio.sleep(0)

        first.cancel()

        assert (await second).entries == 1
    assert bench.feed.reads == 1


async def test_two_who_ask_for_different_entries_do_not_get_each_others(bench: Bench) -> None:
    await bench.record(opened(), joined("a"), said("s", "a"))
    some = bench.follow(entry_types=["statement_recorded"])

    with bench.pages.subscribe(bench.follow()) as everything, bench.pages.subscribe(some) as few:
        assert (await everything.page(0)).entries == 3
        assert (await few.page(0)).entries == 1


async def test_many_who_wait_are_all_handed_the_one_page_that_was_read(bench: Bench) -> None:
    await bench.record(opened(), joined("a"))
    with bench.pages.subscribe(bench.follow()) as followed:
        await followed.page(0)
        waiting = [asyncio.create_task(followed.more(2, SECONDS)) for _ in range(300)]
        await asyncio.sleep(0)

        await bench.record(said("s", "a"))

        pages = await asyncio.gather(*waiting)
    assert {page and page.entries for page in pages} == {1}
    assert bench.feed.reads == 2


async def test_who_waits_hears_nothing_of_what_they_did_not_ask_for(bench: Bench) -> None:
    await bench.record(opened(), joined("a"))
    await bench.record(opened(), id_="other")
    with bench.pages.subscribe(bench.follow()) as followed:
        await followed.page(0)
        waiting = asyncio.create_task(followed.more(2, SECONDS))
        await asyncio.sleep(0)

        await bench.record(joined("b"), id_="other")
        await asyncio.sleep(0.05)

        assert (waiting.done(), bench.feed.reads) == (False, 1)
        waiting.cancel()


async def test_what_came_before_they_waited_is_handed_out_at_once(bench: Bench) -> None:
    await bench.record(opened(), joined("a"))
    with bench.pages.subscribe(bench.follow()) as followed:
        await followed.page(0)
        await bench.record(said("s", "a"))
        await asyncio.sleep(0.05)

        page = await followed.more(2, SECONDS)

    assert page is not None
    assert (page.entries, page.after) == (1, 3)


async def test_what_is_committed_while_nothing_is_found_is_looked_for(bench: Bench) -> None:
    await bench.record(opened(), joined("a"))
    with bench.pages.subscribe(bench.follow()) as followed:
        await followed.page(0)
        waiting = asyncio.create_task(followed.more(2, SECONDS))
        await asyncio.sleep(0)
        bench.feed.pause.clear()
        followed.notify()  # of what is not there: the page that is read now will have nothing
        while bench.feed.reads < 2:  # noqa: ASYNC110 - it is read on another thread
            await asyncio.sleep(0.01)
        await bench.record(said("s", "a"))
        await asyncio.sleep(0.05)
        bench.feed.pause.set()

        page = await waiting

    assert page is not None
    assert page.entries == 1


async def test_who_wait_are_told_that_there_was_nothing_for_so_long(bench: Bench) -> None:
    await bench.record(opened(), joined("a"))
    with bench.pages.subscribe(bench.follow()) as followed:
        assert await followed.more(2, 0.01) is None

        said_so = await asyncio.gather(*(followed.caught_up(2) for _ in range(100)))

    assert len(set(said_so)) == 1
    assert pb.ReplayEntriesResponse.FromString(said_so[0]).caught_up.version == 2


async def test_who_wait_are_told_when_the_store_fails(bench: Bench) -> None:
    await bench.record(opened(), joined("a"))
    with bench.pages.subscribe(bench.follow()) as followed:
        await followed.page(0)
        waiting = [asyncio.create_task(followed.more(2, SECONDS)) for _ in range(2)]
        await asyncio.sleep(0)
        bench.feed.failing = True

        await bench.record(said("s", "a"))

        for one in waiting:
            with pytest.raises(StoreUnavailableError):
                await one


async def test_who_wait_are_let_go_at_the_end(bench: Bench) -> None:
    await bench.record(opened())
    everything = bench.follow(id_="")
    with bench.pages.subscribe(bench.follow()) as one, bench.pages.subscribe(everything) as other:
        waiting = [asyncio.create_task(each.more(1, SECONDS)) for each in (one, other)]
        await asyncio.sleep(0.05)

        bench.commits.close()

        assert await asyncio.gather(*waiting) == [None, None]
        assert await one.more(1, SECONDS) is None


async def test_a_limit_is_the_last_word_even_where_a_page_ends(bench: Bench) -> None:
    await bench.record(opened(), joined("a"), *(said(f"s{n}", "a") for n in range(298)))
    asked = bench.begin()

    for most, entries, limited in ((0, 0, True), (256, 256, True), (300, 256, False)):
        page = bench.feed.page(asked, 0, most)
        assert (page.entries, page.limited) == (entries, limited)
    with pytest.raises(RefusalError):
        bench.follow(cursor="AAAA")


@pytest.mark.parametrize("follow", [False, True])
async def test_nothing_is_lost_or_doubled_where_it_is_recorded_between_two_pages(
    bench: Bench, *, follow: bool
) -> None:
    await bench.record(opened(), joined("a"), *(said(f"s{n}", "a") for n in range(598)))
    following = Subscriptions(bench.feed, bench.pages, bench.commits, bench.threads, SECONDS)
    watches = Quota("watches", 1)
    servicer = AuditServicer(
        bench.scopes, bench.states, bench.log, bench.threads, following, watches=watches
    )
    replay = servicer.ReplayEntries(
        pb.ReplayEntriesRequest(name="negotiations/n", follow=follow),
        Call("anonymous@loopback", None),
    )
    versions: list[int] = []
    last = 0
    async with contextlib.aclosing(replay):  # type: ignore[type-var]
        async for message in replay:
            said_next = pb.ReplayEntriesResponse.FromString(message)
            versions += [entry.header.version for entry in said_next.entries]
            if len(versions) in {256, 512}:
                last += 1
                await bench.record(said(f"later{last}", "a"))
            if follow and versions[-1:] == [602]:
                break

    assert versions == list(range(1, 603 if follow else 601))
