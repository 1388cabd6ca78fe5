using System.CommandLine;
using System.Text.Json;
using Gauntlet.Terminal;
using Gauntlet.Vmm.Tracing;

namespace Gauntlet.Cli.Tests;

public sealed class TraceCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-trace-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task WhatATraceTellsIsPrinted()
    {
        var (status, text) = await RunAsync("trace", Write());
        Assert.Equal(ExitCode.Success, status);
        Assert.Contains("never completed: 1", text, StringComparison.Ordinal);
        Assert.Contains("overlapping disk writes: 1", text, StringComparison.Ordinal);
        Assert.Contains("uart.THR", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AndAsJsonForARangeOfADisk()
    {
        var (_, text) = await RunAsync("trace", Write(), "--json", "--disk", "hd0", "--range", "0x600+512");
        var found = JsonDocument.Parse(text).RootElement;
        Assert.Equal(6, found.GetProperty("records").GetInt32());
        Assert.Equal(0, found.GetProperty("overlapCount").GetInt32());
        Assert.Equal(7, found.GetProperty("open")[0].GetProperty("id").GetInt32());
        Assert.Equal("virtio-blk-pci[0]", found.GetProperty("latencies")[0].GetProperty("device").GetString());
    }

    [Fact]
    public async Task EveryRecordIsALineOfTheDump()
    {
        var (_, text) = await RunAsync("trace", Write(), "--dump");
        Assert.Equal(6, text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("isa_serial_write device isa-serial[0] register uart.THR offset 0x0 size 1 value 0x41", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("not a trace", "--json")]
    [InlineData("", "--range", "12")]
    [InlineData("", "--top", "0")]
    public async Task WhatCannotBeDoneIsSaid(string content, params string[] options)
    {
        var path = Path.Combine(_folder, "trace");
        await File.WriteAllTextAsync(path, content);
        await Assert.ThrowsAsync<UserException>(() => RunAsync(["trace", path, .. options]));
    }

    private string Write()
    {
        var path = Path.Combine(_folder, "trace");
        using var sink = new SimpleTraceSink(File.Create(path));
        var (pop, push, register) = (TraceEvents.QueuePop("virtio-blk-pci"), TraceEvents.QueuePush("virtio-blk-pci"), TraceEvents.RegisterWrite("isa-serial"));
        sink.Write(0, pop, 1_000, ["virtio-blk-pci[0]", 0, 7]);
        sink.Write(0, pop, 2_000, ["virtio-blk-pci[0]", 0, 8]);
        sink.Write(1, push, 9_000, ["virtio-blk-pci[0]", 0, 8, 1]);
        sink.Write(2, TraceEvents.BlockWrite, 5_000, ["hd0", 0UL, 1024UL, 1, 1_000UL]);
        sink.Write(2, TraceEvents.BlockWrite, 6_000, ["hd0", 512UL, 512UL, 1, 1_000UL]);
        sink.Write(3, register, 7_000, ["isa-serial[0]", "uart.THR", 0UL, 1, 0x41UL]);
        return path;
    }

    private static async Task<(int Status, string Text)> RunAsync(params string[] arguments)
    {
        var text = new StringWriter();
        var output = new Output(text, TextWriter.Null, live: false, colour: false);
        var status = await CommandTree.Create(output).Parse(arguments).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        return (status, text.ToString());
    }
}
