from concurrent.futures import ThreadPoolExecutor

from config import secret_key


def test_it_is_made_once_for_its_owner_only(tmp_path):
    path = tmp_path / "local" / "secret-key"
    key = secret_key.kept_in(path)
    assert len(key) >= 50
    assert secret_key.kept_in(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_first_starts_at_the_same_time_agree_on_it(tmp_path):
    for attempt in range(20):
        path = tmp_path / str(attempt) / "secret-key"
        with ThreadPoolExecutor(8) as starters:
            keys = set(starters.map(secret_key.kept_in, [path] * 8))
        assert keys == {path.read_text()}
