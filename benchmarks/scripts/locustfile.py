"""Locust's part: FastHttpUser, the GET, the journey and the paced GET."""

import os

from locust import FastHttpUser, constant, constant_throughput, task

KIND = os.environ["BENCH_KIND"]


class Citizen(FastHttpUser):
    """One user after the other request, as fast as it goes; or one request a tenth of a second."""

    wait_time = constant_throughput(float(os.environ["BENCH_PER_USER"])) if KIND == "paced" else constant(0)

    @task
    def visit(self) -> None:
        """Do one round."""
        if KIND != "journey":
            self.client.get("/small")
            return
        signed_in = self.client.post("/sign-in", json={"patron": "A123456", "pin": "2468"})
        bearer = {"Authorization": f"Bearer {signed_in.json()['token']}"}
        slot = self.client.get("/list", headers=bearer).json()["free"][0]["id"]
        with self.client.post("/book", json={"slot": slot}, headers=bearer, catch_response=True) as booked:
            if booked.status_code != 201:
                booked.failure(f"status {booked.status_code}")
