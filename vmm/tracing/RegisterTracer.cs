using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Tracing;

/// <summary>
/// Tells of a guest's accesses to devices' registers. It stands between the bus and those devices whose events are wanted; the others are reached as always.
/// </summary>
public sealed class RegisterTracer(Tracer tracer) : IBusTap
{
    private readonly Dictionary<IDevice, Tap?> _taps = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, int> _counts = [];

    IPortDevice IBusTap.Tap(IPortDevice device) => TapOf(device) ?? device;

    IMmioDevice IBusTap.Tap(IMmioDevice device) => (IMmioDevice?)TapOf(device) ?? device;

    /// <summary>A device's name among others of its kind: <c>virtio-blk-pci[1]</c>.</summary>
    public string LabelOf(IDevice device)
    {
        TapOf(device);
        return _labels[device];
    }

    private readonly Dictionary<IDevice, string> _labels = new(ReferenceEqualityComparer.Instance);

    private Tap? TapOf(IDevice device)
    {
        if (_taps.TryGetValue(device, out var known))
            return known;
        var count = _counts.GetValueOrDefault(device.Name);
        _counts[device.Name] = count + 1;
        var label = $"{device.Name}[{count}]";
        _labels[device] = label;
        var (read, write) = (tracer.Declare(TraceEvents.RegisterRead(device.Name)), tracer.Declare(TraceEvents.RegisterWrite(device.Name)));
        return _taps[device] = read is null && write is null ? null : new Tap(device, label, read, write);
    }

    private sealed class Tap : IPortDevice, IMmioDevice
    {
        private readonly IDevice _device;
        private readonly string _label;
        private readonly TracePoint? _read, _write;

        // By region, then the registers' offsets and names.
        private readonly (uint[] Offsets, string[] Names)[] _registers;

        public Tap(IDevice device, string label, TracePoint? read, TracePoint? write)
        {
            (_device, _label, _read, _write) = (device, label, read, write);
            _registers = new (uint[], string[])[device.Regions.Count];
            for (var i = 0; i < _registers.Length; i++)
            {
                var region = device.Regions[i];
                var offsets = new List<uint>();
                var names = new List<string>();
                foreach (var register in region.Registers)
                {
                    // Several at one offset: read and write sides, banks.
                    if (offsets.Count > 0 && offsets[^1] == register.Offset)
                    {
                        names[^1] += "/" + register.Name;
                        continue;
                    }
                    offsets.Add(register.Offset);
                    names.Add($"{region.Name}.{register.Name}");
                }
                _registers[i] = ([.. offsets], [.. names]);
            }
        }

        public string Name => _device.Name;

        public IReadOnlyList<RegisterMap> Regions => _device.Regions;

        public uint ReadPort(int region, uint offset, int size)
        {
            var value = ((IPortDevice)_device).ReadPort(region, offset, size);
            _read?.Write(_label, NameOf(region, offset), (ulong)offset, size, (ulong)value);
            return value;
        }

        public void WritePort(int region, uint offset, int size, uint value)
        {
            _write?.Write(_label, NameOf(region, offset), (ulong)offset, size, (ulong)value);
            ((IPortDevice)_device).WritePort(region, offset, size, value);
        }

        public ulong ReadMmio(int region, ulong offset, int size)
        {
            var value = ((IMmioDevice)_device).ReadMmio(region, offset, size);
            _read?.Write(_label, NameOf(region, offset), offset, size, value);
            return value;
        }

        public void WriteMmio(int region, ulong offset, int size, ulong value)
        {
            _write?.Write(_label, NameOf(region, offset), offset, size, value);
            ((IMmioDevice)_device).WriteMmio(region, offset, size, value);
        }

        private string NameOf(int region, ulong offset)
        {
            var (offsets, names) = _registers[region];
            var index = offset > uint.MaxValue ? ~offsets.Length : Array.BinarySearch(offsets, (uint)offset);
            // Inside a register, or a region that declares none.
            index = index >= 0 ? index : ~index - 1;
            return index >= 0 ? names[index] : _device.Regions[region].Name;
        }
    }
}
