// Gatling's part: the GET, the journey and the paced GET.
import static io.gatling.javaapi.core.CoreDsl.*;
import static io.gatling.javaapi.http.HttpDsl.*;

import io.gatling.javaapi.core.*;
import io.gatling.javaapi.http.*;
import java.time.Duration;

public class Bench extends Simulation {
  private static String of(String name) {
    return System.getenv("BENCH_" + name);
  }

  private final String kind = of("KIND");
  private final Duration length = Duration.ofSeconds(Long.parseLong(of("SECONDS")));
  private final HttpProtocolBuilder protocol = http.baseUrl(of("URL")).disableCaching();

  private final ChainBuilder get = exec(http("get").get("/small").check(status().is(200)));
  private final ChainBuilder journey =
      exec(http("sign in").post("/sign-in").header("Content-Type", "application/json")
              .body(StringBody("{\"patron\": \"A123456\", \"pin\": \"2468\"}"))
              .check(jsonPath("$.token").saveAs("token")))
          .exec(http("list").get("/list").header("Authorization", "Bearer #{token}")
              .check(jsonPath("$.free[0].id").saveAs("slot")))
          .exec(http("book").post("/book").header("Content-Type", "application/json")
              .header("Authorization", "Bearer #{token}")
              .body(StringBody("{\"slot\": #{slot}}")).check(status().is(201)));

  {
    ScenarioBuilder scenario = scenario("bench");
    PopulationBuilder load = kind.equals("paced")
        ? scenario.exec(get).injectOpen(constantUsersPerSec(Double.parseDouble(of("RATE"))).during(length))
        : scenario.during(length).on(kind.equals("journey") ? journey : get)
            .injectOpen(atOnceUsers(Integer.parseInt(of("CONNECTIONS"))));
    setUp(load).protocols(protocol).maxDuration(length.plusSeconds(5));
  }
}
