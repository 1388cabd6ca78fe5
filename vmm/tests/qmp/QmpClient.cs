using System.Diagnostics;
using System.Text.Json;

namespace Gauntlet.Vmm.Tests.Qmp;

/// <summary>A client at the program's standard input and output.</summary>
internal sealed class QmpClient : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Queue<JsonElement> _events = new();

    private QmpClient(Process process) => _process = process;

    public static async Task<QmpClient> StartAsync(params string[] options)
    {
        var client = new QmpClient(Process.Start(new ProcessStartInfo(GuestProgram.Gvmm, ["-accel", "qtest", "-qmp", "stdio", "-display", "none", .. options])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!);
        await client.ReadAsync();
        await client.ReturnAsync("""{"execute":"qmp_capabilities"}""");
        return client;
    }

    private async Task SendAsync(string command)
    {
        await _process.StandardInput.WriteLineAsync(command);
        await _process.StandardInput.FlushAsync();
    }

    public async Task<JsonElement> AskAsync(string command)
    {
        await SendAsync(command);
        while (true)
        {
            var answer = await ReadAsync();
            if (!answer.TryGetProperty("event", out _))
                return answer;
            _events.Enqueue(answer);
        }
    }

    public async Task<JsonElement> ReturnAsync(string command)
    {
        var answer = await AskAsync(command);
        return answer.TryGetProperty("return", out var value) ? value : throw new InvalidOperationException($"{command}: {answer}");
    }

    public async Task<string> ErrorAsync(string command) => (await AskAsync(command)).GetProperty("error").GetProperty("desc").GetString()!;

    /// <summary>The data of the next event of a name; nothing when it has none.</summary>
    public async Task<JsonElement> EventAsync(string name)
    {
        while (true)
        {
            var message = _events.TryDequeue(out var kept) ? kept : await ReadAsync();
            if (message.TryGetProperty("event", out var what) && what.GetString() == name)
                return message.TryGetProperty("data", out var data) ? data : default;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await SendAsync("""{"execute":"quit"}""");
        await GuestProgram.StatusAsync(_process);
        _process.Dispose();
    }

    private async Task<JsonElement> ReadAsync() => JsonDocument.Parse((await _process.StandardOutput.ReadLineAsync())!).RootElement;
}
