"""Models as people use them: pictures in any form go in, answers with class names come out and can be drawn."""
