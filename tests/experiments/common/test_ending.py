from experiments.common.ending import after_training, finish


def test_a_command_says_what_it_wrote_and_what_comes_next(tmp_path, capsys):
    run = tmp_path / "a run"
    run.mkdir()
    (run / "summary.json").touch()
    (run / "samples.png").touch()
    finish(run, after_training(run, sefa=True))
    out, said = capsys.readouterr()
    assert out == f"{run}\n"
    assert said.splitlines() == [
        f"wrote samples.png, summary.json in {run}",
        f"next: python -m experiments.generate '{run}' --count=1000",
        f"next: python -m experiments.sefa --checkpoint='{run}' --unit=image",
    ]


def test_of_a_sweep_it_names_a_program(tmp_path, capsys):
    for name in ("gan", "wgan"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").touch()
    (tmp_path / "clouds.png").touch()
    finish(tmp_path, after_training(tmp_path))
    assert capsys.readouterr().err.splitlines() == [
        f"wrote clouds.png in {tmp_path}",
        "wrote summary.json in each of 2 folders below",
        f"next: python -m experiments.generate {tmp_path / 'gan'} --count=1000",
    ]
