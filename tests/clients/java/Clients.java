// OpenAI's and Anthropic's own Java clients against a running server. One line per claim is printed, "ok
// NAME" or "failed NAME: why"; the exit code is 1 if any failed.
import com.anthropic.client.okhttp.AnthropicOkHttpClient;
import com.anthropic.core.JsonValue;
import com.anthropic.models.messages.ContentBlockParam;
import com.anthropic.models.messages.MessageCreateParams;
import com.anthropic.models.messages.Tool;
import com.anthropic.models.messages.ToolChoiceAny;
import com.anthropic.models.messages.ToolChoiceNone;
import com.anthropic.models.messages.ToolResultBlockParam;
import com.fasterxml.jackson.annotation.JsonClassDescription;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionToolChoiceOption;
import com.openai.models.chat.completions.ChatCompletionToolMessageParam;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

public class Clients {
  static final String HELLO = "Say hello to the world in one short sentence.";
  static final String WEATHER = "What's the weather in Tokyo?";
  static final String TRIP = "Extract the trip: we go to Oslo for 3 days.";
  static final String MODEL = System.getenv("INFE_MODEL");
  static final String BASE_URL = System.getenv("INFE_BASE_URL");
  static final String KEY = System.getenv("INFE_API_KEY");
  static int code = 0;

  public static class Trip {
    public String city;
    public int days;
  }

  @JsonClassDescription("Get the current weather in a location")
  public static class GetWeather {
    public String location;
  }

  interface Claim {
    void check() throws Exception;
  }

  static void claim(String name, Claim claim) {
    try {
      claim.check();
      System.out.println("ok " + name);
    } catch (Throwable error) {
      code = 1;
      error.printStackTrace();
      System.out.println("failed " + name + ": " + String.valueOf(error).replaceAll("\\s+", " "));
    }
  }

  static void whole(String text) {
    if (text.isBlank() || text.contains("<|im_end|>") || text.contains("<tool_call>"))
      throw new AssertionError("not an answer: " + text);
  }

  static void isTrip(Trip trip) {
    if (trip.city == null || trip.city.isEmpty()) throw new AssertionError("not a trip");
  }

  static void openai() {
    var client = OpenAIOkHttpClient.builder().baseUrl(BASE_URL).apiKey(KEY).maxRetries(0).build();
    var ask = ChatCompletionCreateParams.builder().model(MODEL).maxCompletionTokens(200).addUserMessage(HELLO).build();
    claim("openai_plain", () -> whole(client.chat().completions().create(ask).choices().get(0).message().content().get()));
    claim("openai_stream", () -> {
      try (var stream = client.chat().completions().createStreaming(ask)) {
        whole(stream.stream().flatMap(chunk -> chunk.choices().stream()).map(choice -> choice.delta().content().orElse("")).collect(Collectors.joining()));
      }
    });
    claim("openai_tools", () -> {
      var builder = ChatCompletionCreateParams.builder().model(MODEL).maxCompletionTokens(200).addUserMessage(WEATHER).addTool(GetWeather.class);
      var message = client.chat().completions().create(builder.toolChoice(ChatCompletionToolChoiceOption.Auto.REQUIRED).build()).choices().get(0).message();
      var call = message.toolCalls().get().get(0).asFunction();
      var location = call.function().arguments(GetWeather.class).location;
      builder.addMessage(message).addMessage(ChatCompletionToolMessageParam.builder().toolCallId(call.id()).content("Sunny, 21 degrees in " + location).build());
      builder.toolChoice(ChatCompletionToolChoiceOption.Auto.NONE);
      whole(client.chat().completions().create(builder.build()).choices().get(0).message().content().get());
    });
    claim("openai_structured", () -> {
      var params = ChatCompletionCreateParams.builder().model(MODEL).maxCompletionTokens(200).addUserMessage(TRIP).responseFormat(Trip.class).build();
      isTrip(client.chat().completions().create(params).choices().get(0).message().content().get());
    });
  }

  static void anthropic() {
    var client = AnthropicOkHttpClient.builder().baseUrl(BASE_URL.replaceAll("/v1$", "")).apiKey(KEY).maxRetries(0).build();
    var ask = MessageCreateParams.builder().model(MODEL).maxTokens(200).addUserMessage(HELLO).build();
    claim("anthropic_plain", () -> whole(client.messages().create(ask).content().get(0).text().get().text()));
    claim("anthropic_stream", () -> {
      try (var stream = client.messages().createStreaming(ask)) {
        whole(stream.stream().flatMap(event -> event.contentBlockDelta().stream()).flatMap(event -> event.delta().text().stream()).map(delta -> delta.text()).collect(Collectors.joining()));
      }
    });
    claim("anthropic_tools", () -> {
      var properties = Tool.InputSchema.Properties.builder().putAdditionalProperty("location", JsonValue.from(Map.of("type", "string"))).build();
      var tool = Tool.builder().name("get_weather").inputSchema(Tool.InputSchema.builder().properties(properties).addRequired("location").build()).build();
      var params = MessageCreateParams.builder().model(MODEL).maxTokens(300).addUserMessage(WEATHER).addTool(tool).toolChoice(ToolChoiceAny.builder().build()).build();
      var answer = client.messages().create(params);
      var use = answer.content().stream().flatMap(block -> block.toolUse().stream()).findFirst().get();
      if (!String.valueOf(use._input()).contains("location")) throw new AssertionError("no location");
      var result = ToolResultBlockParam.builder().toolUseId(use.id()).content("Sunny, 21 degrees").build();
      var back = params.toBuilder().addMessage(answer).addUserMessageOfContentBlockParams(List.of(ContentBlockParam.ofToolResult(result)));
      whole(client.messages().create(back.toolChoice(ToolChoiceNone.builder().build()).build()).content().get(0).text().get().text());
    });
    claim("anthropic_structured", () -> {
      var params = MessageCreateParams.builder().model(MODEL).maxTokens(200).addUserMessage(TRIP).outputConfig(Trip.class).build();
      isTrip(client.messages().create(params).content().stream().flatMap(block -> block.text().stream()).findFirst().get().text());
    });
  }

  public static void main(String[] arguments) {
    openai();
    anthropic();
    System.exit(code);
  }
}
