"""How units become metrics: numpy alone, never torch, so that a verdict replays and a board reads without it."""
