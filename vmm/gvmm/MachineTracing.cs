using System.Text;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Program.Options;
using Gauntlet.Vmm.Tracing;

namespace Gauntlet.Vmm.Program;

/// <summary>What <c>-trace</c> asked to be told of a machine.</summary>
internal sealed class MachineTracing : IDisposable
{
    private readonly Machine _machine;
    private readonly RegisterTracer _registers;

    private MachineTracing(Machine machine, Tracer tracer)
    {
        (_machine, Tracer) = (machine, tracer);
        _registers = new RegisterTracer(tracer);
        machine.Bus.SetTap(_registers);
        if (tracer.Declare(TraceEvents.Machine) is { } point)
            machine.Happened += (what, _) => point.Write(Monitors.NameOf(what));
    }

    public Tracer Tracer { get; }

    /// <summary>Null when nothing was asked for.</summary>
    /// <exception cref="OptionException">The file cannot be written.</exception>
    public static MachineTracing? Open(GvmmOptions options, Machine machine)
    {
        if (options.ListsTraceEvents)
            return new MachineTracing(machine, new Tracer(new TracePatterns(), new LogTraceSink(TextWriter.Null)));
        if (options.TracePatterns.IsEmpty)
            return null;
        if (options.TraceFile is not { } path)
            return new MachineTracing(machine, new Tracer(options.TracePatterns, new LogTraceSink(Console.Error)));
        try
        {
            return new MachineTracing(machine, new Tracer(options.TracePatterns, new SimpleTraceSink(File.Create(path, bufferSize: 0))));
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException)
        {
            throw new OptionException($"-trace file={path}: {why.Message}");
        }
    }

    /// <summary>Once all devices are there.</summary>
    public void WatchDevices()
    {
        foreach (var device in _machine.Devices)
        {
            // Where a guest has mapped nothing yet, the events are declared all the same.
            var label = _registers.LabelOf(device);
            var virtio = device switch { VirtioPci pci => pci.Device, VirtioMmio mmio => mmio.Device, _ => null };
            if (virtio is not null)
                VirtqueueTracer.Watch(Tracer, device.Name, label, virtio);
        }
    }

    /// <summary>The events, as a trace-events file declares them.</summary>
    public string List()
    {
        var text = new StringBuilder();
        foreach (var what in Tracer.Declared.OrderBy(what => what.Name, StringComparer.Ordinal))
            text.Append(what.Declaration).Append('\n');
        return text.ToString();
    }

    public void Dispose() => Tracer.Dispose();
}
