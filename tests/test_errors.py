from jaxgan.errors import InputError, one_line


def test_a_message_is_one_line_whatever_a_file_names():
    name = "a\nb\r\nc\td\x00e\x1b[2Jf\u202eg\udcffh ä 脸"
    error = InputError(f"no variable {name}")
    assert str(error) == r"no variable a b c\td\x00e\x1b[2Jf\u202eg\udcffh ä 脸"
    assert one_line("a\nb") == r"a\nb"
    assert str(InputError("x" * 5000)) == f"{'x' * 1000} ... {'x' * 1000}"
    assert str(InputError("plain")) == "plain"
