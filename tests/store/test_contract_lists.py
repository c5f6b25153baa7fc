"""The contract of a directory, over memory and a real Redis: leases, counts, numbers, and lists of sessions."""

from __future__ import annotations

from tests.store.rig import EXPIRES_S, LEASE_S, Rig, claim, entry, play, report

from earful.store.values import Card, Listed, Peer, Report


def test_a_worker_is_forgotten_with_its_lease(rig: Rig) -> None:
    """It hears so at its first exchange and after every lapse, and starts with an empty list."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        assert [True, False] == [(await one.exchange(report(entry("s"), acme=1))).forgot for _ in range(2)]
        rig.let_pass(LEASE_S / 2)
        assert not (await one.exchange(report(acme=1))).forgot
        rig.let_pass(LEASE_S)
        assert (1, 0) == ((news := await other.exchange(report())).workers, news.sessions)
        assert [] == await other.page("", 10, None)
        assert None is await other.find("s", None)
        assert (True, 2) == ((news := await one.exchange(report())).forgot, news.workers)
        assert [] == await other.page("", 10, None)

    play(rig, scenario)


def test_who_takes_leave_is_gone_at_once(rig: Rig) -> None:
    """Nobody waits for its lease to pass."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        await one.exchange(report(entry("s"), acme=1))
        await one.close()
        assert (1, 0) == ((news := await other.exchange(report())).workers, news.sessions)
        assert [] == await other.page("", 10, None)

    play(rig, scenario)


def test_counts_are_of_all_live_workers(rig: Rig) -> None:
    """The total, and each tenant that was reported, as each worker last said."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        await one.exchange(report(acme=3, bolt=2))
        news = await other.exchange(report(acme=4, sessions=1))
        assert (10, 2, {"acme": 7, "sessions": 1}) == (news.sessions, news.workers, news.tenants)
        news = await one.exchange(report(acme=1, bolt=0))
        assert (6, 2, {"acme": 5, "bolt": 0}) == (news.sessions, news.workers, news.tenants)
        rig.let_pass(LEASE_S)
        news = await one.exchange(report(acme=1))
        assert (1, 1, {"acme": 1}) == (news.sessions, news.workers, news.tenants)
        assert (0, {}) == ((news := await one.exchange(report())).sessions, news.tenants)

    play(rig, scenario)


def test_the_pressed_are_counted(rig: Rig) -> None:
    """As each last said, the one that asks too; those that are gone no more."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        seen = [
            (await directory.exchange(Report(is_pressed=is_pressed))).pressed
            for directory, is_pressed in ((one, False), (other, True), (one, True), (one, True), (other, False))
        ]
        assert [0, 1, 2, 2, 1] == seen
        await one.close()
        assert 0 == (await other.exchange(report())).pressed

    play(rig, scenario)


def test_an_overview_has_every_live_workers_numbers(rig: Rig) -> None:
    """As each last said."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        assert () == (await one.overview()).workers
        await one.exchange(Report(numbers={"chunks": 7, "lag_s": 0.25}, histograms=bytes(range(256))))
        card = Card(1, "http://one:9001", "1.2.3", 1700000000.5)
        await one.exchange(Report(tenants={"acme": 2}, numbers={"chunks": 8}, histograms=bytes(range(256)), card=card))
        await other.exchange(report())
        workers = sorted((await other.overview()).workers, key=lambda peer: peer.worker)
        assert [Peer("one", 2, {"chunks": 8}, bytes(range(256)), card), Peer("other", 0)] == workers
        rig.let_pass(LEASE_S)
        assert () == (await one.overview()).workers

    play(rig, scenario)


def test_what_the_gone_had_served_is_kept(rig: Rig) -> None:
    """As each last said, whether it took leave or its lease passed; who is back is not counted twice."""

    async def scenario(rig: Rig) -> None:
        one, other, third = rig.directory("one"), rig.directory("other"), rig.directory("third")
        await one.exchange(Report(served=5))
        await one.exchange(Report(served=7))
        await other.exchange(Report(served=20))
        assert 0 == (await other.overview()).served_before
        await one.close()
        assert 7 == (await other.overview()).served_before
        rig.let_pass(LEASE_S)
        await third.exchange(Report(served=100))
        assert 27 == (await third.overview()).served_before
        await other.exchange(Report(served=21))
        assert 7 == (await third.overview()).served_before
        rig.empty()
        assert 0 == (await third.overview()).served_before

    play(rig, scenario)


def test_a_list_goes_on_where_it_ended(rig: Rig) -> None:
    """In the order of ids, over all workers, without gaps and without repeats."""

    async def scenario(rig: Rig) -> None:
        workers = [rig.directory(name) for name in ("one", "other", "third")]
        names = [f"{nth * 7919 % 1000:03}" for nth in range(50)]
        for nth, worker in enumerate(workers):
            await worker.exchange(report(*(entry(name, detail=name.encode()) for name in names[nth::3])))
        seen, after = list[str](), ""
        while page := await workers[0].page(after, 7, None):
            seen += [listed.entry.session_id for listed in page]
            after = seen[-1]
            assert all(listed.entry == entry(name := listed.entry.session_id, detail=name.encode()) for listed in page)
            assert all(
                listed.entry.session_id in names[int("other third".find(listed.worker) >= 0) :] for listed in page
            )
        assert sorted(names) == seen

    play(rig, scenario)


def test_tenants_see_their_own(rig: Rig) -> None:
    """Also those whose names begin alike, or have colons and letters of every kind in them."""
    tenants = ("", "a", "a:b", "a:b:", "ab", "b:c", "1:a", "ünïcode", "x" * 300, '"\0\n\\', "sessions")

    async def scenario(rig: Rig) -> None:
        one = rig.directory("one")
        for tenant in tenants:
            names = (f"{nth}:{len(tenant)}{tenant[:9]}" for nth in range(3))
            await one.exchange(report(*(entry(name, tenant=tenant) for name in names)))
        for tenant in tenants:
            page = await one.page("", 100, tenant)
            assert [tenant] * 3 == [listed.entry.tenant for listed in page]
            rest = await one.page(page[0].entry.session_id, 100, tenant)
            assert page[1:] == rest
        assert 3 * len(tenants) == len(await one.page("", 100, None))
        counts = {tenant: nth for nth, tenant in enumerate(tenants)}
        assert counts == (await one.exchange(Report(tenants=counts))).tenants

    play(rig, scenario)


def test_a_list_follows_its_sessions(rig: Rig) -> None:
    """Changed, ended, ended twice, never there, and ended and begun again in one report."""

    async def scenario(rig: Rig) -> None:
        one = rig.directory("one")
        await one.exchange(report(entry("changed"), entry("ended"), entry("returned"), entry("stayed")))
        changed, returned = entry("changed", 1, detail=b"new"), entry("returned", 1)
        await one.exchange(report(changed, returned, ended=("ended", "returned", "unknown")))
        await one.exchange(report(ended=("ended",)))
        for tenant in (None, "acme"):
            listed = [listed.entry for listed in await one.page("", 3, tenant)]
            assert [changed, returned, entry("stayed")] == listed

    play(rig, scenario)


def test_a_session_that_moved_is_listed_once(rig: Rig) -> None:
    """With the larger attempt, whoever reported first."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        await one.exchange(report(entry("s", 1), entry("t", 2), entry("u")))
        await other.exchange(report(entry("s", 2), entry("t", 1), entry("v")))
        expected = [(entry("s", 2), "other"), (entry("t", 2), "one"), (entry("u"), "one"), (entry("v"), "other")]
        assert [Listed(*pair) for pair in expected] == await one.page("", 10, "acme")
        assert [Listed(*pair) for pair in expected[:3]] == await one.page("", 3, "acme")

    play(rig, scenario)


def test_who_had_a_session_last_is_remembered(rig: Rig) -> None:
    """Also when it or its worker has ended, as long as the note lasts; by its own tenant or any."""

    async def scenario(rig: Rig) -> None:
        one, other, third = (rig.directory(name) for name in ("one", "other", "third"))
        assert None is await one.owner("s", None)
        await one.claim(claim("s"))
        assert ["one", "one", None] == [await other.owner("s", tenant) for tenant in (None, "acme", "foreign")]
        await other.claim(claim("s", 1))
        await other.exchange(report(entry("s", 1)))
        assert "other" == await one.owner("s", None)
        await other.exchange(report(ended=("s",)))
        assert "other" == await one.owner("s", None)
        await third.end("s", None, 2 * EXPIRES_S)
        rig.let_pass(EXPIRES_S + 1)
        assert "other" == await one.owner("s", None)
        rig.let_pass(EXPIRES_S)
        assert None is await one.owner("s", None)

    play(rig, scenario)


def test_a_session_is_found_where_it_lives(rig: Rig) -> None:
    """By its own tenant or any, on any worker, from its owner's first report until it is ended."""

    async def scenario(rig: Rig) -> None:
        one, other = rig.directory("one"), rig.directory("other")
        assert None is await other.find("s", None)
        await one.claim(claim("s"))
        assert None is await other.find("s", None)
        await one.exchange(report(entry("s", detail=b"here")))
        here = Listed(entry("s", detail=b"here"), "one")
        assert [here, here, None] == [await other.find("s", tenant) for tenant in (None, "acme", "foreign")]
        await other.claim(claim("s", 1))
        await other.exchange(report(entry("s", 1)))
        assert Listed(entry("s", 1), "other") == await one.find("s", "acme")
        await other.exchange(report(ended=("s",)))
        assert None is await one.find("s", "acme")
        await other.exchange(report(entry("s", 1)))
        await one.end("s", "acme", EXPIRES_S)
        assert None is await one.find("s", "acme")

    play(rig, scenario)


def test_ids_may_be_anything(rig: Rig) -> None:
    """Also what the store's own names are made of: they come from whoever asks."""

    async def scenario(rig: Rig) -> None:
        one = rig.directory("one")
        for name in ("}", "{", "a}b{c", "", "*", "x" * 10_000, "ü", "\0"):
            assert None is await one.find(name, None)
            assert not await one.end(name, None, EXPIRES_S)

    play(rig, scenario)


def test_opening_is_trying(rig: Rig) -> None:
    """A store that is there is available."""

    async def scenario(rig: Rig) -> None:
        one = rig.directory("one")
        await one.open()
        assert one.available

    play(rig, scenario)
