"""How the world of a task varies."""

from dataclasses import dataclass
from typing import Literal, get_args

from rankq_jax.envs.tabletop.scene import SETTINGS, Setting
from rankq_jax.envs.tabletop.variants import SIZES, WIDEST
from rankq_jax.errors import InputError

Spawns = Literal["nominal", "grid72", "c4"]
Direction = Literal["forward", "backward", "both"]
Rule = Literal["contacts", "simpler"]


@dataclass(frozen=True)
class Options:
    """A world of the tabletop.

    Attributes:
      setting: name of the task, see `scene.SETTINGS`.
      image: height and width in pixels; None: observations hold the poses of things in place of images.
      spawns: where things lie: in a region of 18 x 24 cm, in the 72 pairs of cells of a grid, or anywhere
        within 15 cm of the middle (RankQ, table C.4).
      randomized: whether light, camera, arm and scene differ between episodes (RankQ, table C.4).
      held_out: whether the scenes of a randomized world are those that are never drawn elsewhere.
      varied: whether colors, light and camera differ a little, as where a policy is pretrained.
      gap: g, how far camera, colors and light are from that domain, from 0 to `WIDEST`.
      direction: which thing is put on which; only cubes can be stacked backward.
      paraphrased: whether instructions are worded in several ways.
      rule: what a success is: by contacts (arXiv 2603.18532) and by how things lie, or as in SIMPLER (its
        tasks in ManiSkill), by boxes around things, for comparisons; things in the gripper may count there.
      chunk: control steps of an action.
      horizon: actions of an episode.
    """

    setting: str = "cube-stacking"
    image: tuple[int, int] | None = SIZES[0]
    spawns: Spawns = "nominal"
    randomized: bool = False
    held_out: bool = False
    varied: bool = False
    gap: float = 0.0
    direction: Direction = "forward"
    paraphrased: bool = False
    rule: Rule = "contacts"
    chunk: int = 4
    horizon: int = 25

    def __post_init__(self) -> None:
        """Refuses what there is not.

        Raises:
          InputError: names the field, its value and what it can be.
        """
        for field, known in (
            ("setting", tuple(SETTINGS)),
            ("image", (None, *SIZES)),
            ("spawns", get_args(Spawns)),
            ("direction", get_args(Direction)),
            ("rule", get_args(Rule)),
        ):
            if (value := getattr(self, field)) not in known:
                raise InputError(f"{field}={value!r}: choose one of {', '.join(map(str, known))}.")
        if not 0.0 <= self.gap <= WIDEST:
            raise InputError(f"gap={self.gap}: it must lie between 0 and {WIDEST:g}.")
        if self.direction != "forward" and not self.world.symmetric:
            raise InputError(
                f"direction={self.direction!r}: {self.setting} goes forward only; use 'forward'."
            )

    @property
    def world(self) -> Setting:
        """The things of the task."""
        return SETTINGS[self.setting]
