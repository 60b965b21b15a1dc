"""Adroit with a binary reward and its data: a few episodes of an expert, many of a clone that often fails."""

from rankq_jax.data.episodes import concatenate
from rankq_jax.data.generate import policy
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.data.rules import StepLimit
from rankq_jax.envs import adroit
from rankq_jax.envs.adroit import HANDS, Hand
from rankq_jax.envs.adroit.hand import REWARDS
from rankq_jax.envs.batch import Simulation, batch_env
from rankq_jax.envs.streams import stream_seed
from rankq_jax.tasks.collection import noisy, scripted
from rankq_jax.tasks.task import Generator, Progress, Task
from rankq_jax.types import Episodes

EXPERT_EPISODES, CLONE_EPISODES = 25, 500  # of the published sets (AWAC)
LONGEST = 3  # times the horizon: people take up to 300 steps for the door and more for the ball
EXPERT_NOISE, CLONE_NOISE = 0.05, 0.1  # standard deviations of the action noise


def _generate(name: str, hand: Hand, steps: int, seed: int, threads: int, progress: Progress) -> Episodes:
    share = EXPERT_EPISODES / (EXPERT_EPISODES + CLONE_EPISODES)
    demonstrated = max(1, round(share * steps / hand.horizon)) * hand.horizon
    simulation = adroit.simulate(hand, terminates=False)
    parts = [demonstrations(name, simulation, demonstrated, seed, threads, progress)]
    if steps > demonstrated:
        own = stream_seed(seed, 1, 1, 1)
        behaviour = noisy(policy.load(f"{name}_clone"), CLONE_NOISE, own)
        parts.append(scripted(simulation, behaviour, steps - demonstrated, own, threads, progress))
    return concatenate(parts)


def demonstrations(
    name: str, simulation: Simulation, steps: int, seed: int, threads: int, progress: Progress
) -> Episodes:
    """Successful episodes of the trained expert, as a person's failures are not handed on either.

    Args:
      name: of the hand task.
      simulation: what the expert acts in.
      steps: transitions at least.
      seed: of starts and noise.
      threads: of the environments.
      progress: told the number of steps taken after each batch of them.
    """
    behaviour = noisy(policy.load(f"{name}_expert"), EXPERT_NOISE, seed)
    return scripted(
        simulation,
        behaviour,
        steps,
        seed,
        threads,
        progress,
        keep=lambda episode: bool(episode.success.any()),
    )


def limits(hand: Hand) -> tuple[StepLimit, ...]:
    """What no step of a hand does."""
    unit = " of their range on average"
    return (
        StepLimit(*adroit.joint_return(hand), "the joints return to the pose of a reset by", unit),
        StepLimit(*adroit.joint_travel(hand), "the joints move beyond what pulls them by", unit),
    )


def task(name: str, hand: Hand) -> Task:
    """`adroit-NAME`: raw rewards -1 and 0, by default 10 r + 5."""
    made = Generator(
        steps=(EXPERT_EPISODES + CLONE_EPISODES) * hand.horizon,
        shard_steps=1_000_000,
        make=lambda *arguments: _generate(name, hand, *arguments),
        algorithm=f"{EXPERT_EPISODES} successes of a trained expert to {CLONE_EPISODES} tries of its clone",
        env_specs=lambda: adroit.env_specs(hand),
    )
    known = policy.exists(f"{name}_expert") and policy.exists(f"{name}_clone")
    return Task(
        name=f"adroit-{name}",
        domain="adroit",
        environment=lambda rows, threads: batch_env(adroit.simulate(hand), rows, threads),
        transform=RewardTransform(scale=10.0, bias=5.0, failure=REWARDS[0]),
        success=hand.success,
        rewards=REWARDS,
        generators={"mixture": made} if known else {},
        unending=lambda rows, threads: batch_env(adroit.simulate(hand, terminates=False), rows, threads),
        limits=limits(hand),
        longest=LONGEST * hand.horizon,
    )


TASKS = [task(name, hand) for name, hand in HANDS.items()]
