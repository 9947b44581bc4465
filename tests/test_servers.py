import httpx
import pytest


@pytest.mark.parametrize("kind", ["server", "site"])
def test_the_login_of_the_admin_answers(processes, kind, request):
    process = request.getfixturevalue(kind)
    assert httpx.get(f"{process.url}/admin/login/").status_code == 200
