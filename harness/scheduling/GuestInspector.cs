using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Measuring;

namespace Gauntlet.Harness.Scheduling;

/// <summary>Looks into a running guest over its VMM's QMP socket: registers of every vCPU, and where each of them is by symbol.</summary>
public sealed partial class GuestInspector(string qmpSocket, string? symbolFile) : IAsyncDisposable
{
    /// <summary>A VMM whose monitor does not answer so long is itself hung.</summary>
    public static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(3);

    private readonly SemaphoreSlim _turn = new(1);
    private QmpClient? _client;

    /// <summary>The program counter of a vCPU.</summary>
    /// <param name="Vcpu">0 up.</param>
    /// <param name="ProgramCounter">Null when the registers do not show one that is known here.</param>
    /// <param name="Halted">It waits for an interrupt.</param>
    public readonly record struct VcpuPlace(int Vcpu, ulong? ProgramCounter, bool Halted);

    /// <summary>The monitor's <c>info registers -a</c>.</summary>
    /// <exception cref="QmpException">The VMM answers otherwise.</exception>
    /// <exception cref="SocketException">It has no monitor there (any more).</exception>
    public async Task<string> ReadRegistersAsync(CancellationToken cancellation)
    {
        await _turn.WaitAsync(cancellation);
        try
        {
            _client ??= await QmpClient.ConnectAsync(qmpSocket, cancellation);
            return await _client.ExecuteHumanAsync("info registers -a", cancellation);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>What can be told about a guest that is about to be ended, by file name. Never throws: what could not be found out is said in place of it.</summary>
    public async Task<IReadOnlyDictionary<string, string>> CollectAsync(CancellationToken cancellation)
    {
        var files = new Dictionary<string, string>();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(AnswerLimit);
        try
        {
            var registers = await ReadRegistersAsync(limit.Token);
            files["registers.txt"] = registers;
            files["where.txt"] = Describe(registers);
        }
        catch (Exception e) when (e is QmpException or SocketException or IOException or OperationCanceledException)
        {
            files["where.txt"] = e is OperationCanceledException
                ? $"The VMM's monitor did not answer within {AnswerLimit.TotalSeconds:0} s: the VMM itself is stuck.\n"
                : $"The VMM's monitor could not be asked: {e.Message}\n";
        }
        if (_client is { } client)
            files["qmp.log"] = client.Log;
        return files;
    }

    /// <summary>A line for each vCPU: <c>vCPU 0: 0x400f7e main+0x6a5</c>.</summary>
    public string Describe(string registers)
    {
        var symbols = symbolFile is null ? null : ElfSymbols.TryLoad(symbolFile);
        var text = new StringBuilder();
        foreach (var place in Parse(registers))
        {
            text.Append(CultureInfo.InvariantCulture, $"vCPU {place.Vcpu}: ");
            if (place.ProgramCounter is { } pc)
                text.Append(CultureInfo.InvariantCulture, $"0x{pc:x} {symbols?.Name(pc) ?? "(no symbol)"}");
            else
                text.Append("program counter not shown");
            text.Append(place.Halted ? ", halted\n" : "\n");
        }
        return text.Length == 0 ? "The VMM's monitor showed no vCPU.\n" : text.ToString();
    }

    /// <summary>The vCPUs in an <c>info registers -a</c> of x86, Arm or RISC-V.</summary>
    public static IReadOnlyList<VcpuPlace> Parse(string registers) =>
    [
        .. Split(registers).Select((vcpu, index) =>
        {
            var match = ProgramCounter().Match(vcpu);
            ulong? pc = match.Success && ulong.TryParse(match.Groups[1].ValueSpan, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) ? value : null;
            return new VcpuPlace(index, pc, vcpu.Contains("HLT=1", StringComparison.Ordinal));
        }),
    ];

    /// <summary>The text of each vCPU.</summary>
    internal static IEnumerable<string> Split(string registers) =>
        VcpuHeading().Split(registers).Where(part => !string.IsNullOrWhiteSpace(part));

    public async ValueTask DisposeAsync()
    {
        if (_client is not null)
            await _client.DisposeAsync();
        _turn.Dispose();
    }

    [GeneratedRegex(@"^\s*CPU#\d+\s*$", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex VcpuHeading();

    /// <summary>RIP= and EIP= on x86, PC= on Arm, <c>pc </c> on RISC-V.</summary>
    [GeneratedRegex(@"(?:\b[RE]IP=|\bPC=|^\s*pc\s+)([0-9a-fA-F]{8,16})", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex ProgramCounter();
}
