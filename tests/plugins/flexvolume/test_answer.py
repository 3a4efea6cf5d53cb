"""What counts as an answer of a driver."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.flexvolume.answer import Answer, Capabilities, NoAnswerError, read


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        (b'{"status":"Success"}', Answer("Success")),
        (b' \n{"status":"Success"}\n\n', Answer("Success")),
        (b'{"STATUS":"Success","Device":"/d"}', Answer("Success", device="/d")),
        (b'{"status":"Success","more":{"x":[1]}}', Answer("Success")),
        (b'{"status":"Success","device":null}', Answer("Success")),
        (b'{"status":"Success","attached":true,"volumeNewSize":7}', Answer("Success", attached=True)),
        (b"null", Answer("")),
        (b"{}", Answer("")),
        (b'{"status":"Success","capabilities":null}', Answer("Success")),
        (b'{"status":"\xff"}', Answer("\ufffd")),
        (
            b'{"status":"Success","capabilities":{"attach":false,"FSGROUP":false,"requiresFSResize":null,"x":1}}',
            Answer("Success", capabilities=Capabilities(attach=False, fs_group=False)),
        ),
    ],
)
def test_answers(output: bytes, answer: Answer) -> None:
    assert read(output) == answer


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (b"", "printed nothing"),
        (b"  \n", "printed nothing"),
        (b"segfault", "no JSON"),
        (b'{"status":"Success"} trailing', "no JSON"),
        (b'warning\n{"status":"Success"}', "no JSON"),
        (b'{"status":"Success"}{"status":"Success"}', "no JSON"),
        (b"[]", "no object"),
        (b'"Success"', "no object"),
        (b'{"status":1}', "'status' as int, not str"),
        (b'{"attached":"true"}', "'attached' as str, not bool"),
        (b'{"attached":1}', "'attached' as int, not bool"),
        (b'{"volumeNewSize":1.5}', "as float, not int"),
        (b'{"volumeNewSize":true}', "as bool, not int"),
        (b'{"capabilities":[]}', "as list, not dict"),
        (b'{"capabilities":{"attach":"no"}}', "as str, not bool"),
        (b"[" * 100000, "no JSON"),
    ],
)
def test_what_is_no_answer(output: bytes, why: str) -> None:
    with pytest.raises(NoAnswerError, match=why):
        read(output)


@given(st.binary())
def test_any_output_is_an_answer_or_none(output: bytes) -> None:
    try:
        read(output)
    except NoAnswerError:
        return
