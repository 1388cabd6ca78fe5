using System.Globalization;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>One property of an object of the tree.</summary>
/// <param name="Type">QOM's: <c>string</c>, <c>uint32</c>, or <c>child&lt;i8259&gt;</c> for an object below.</param>
/// <param name="Value">A string, a long or a bool; the path for a child.</param>
internal sealed record QomProperty(string Name, string Type, object Value);

/// <summary>The machine's objects by path, as QEMU's object model (QOM) names them: <c>/machine/unattached/device[0]</c>.</summary>
internal sealed class DeviceTree(QmpContext context)
{
    public const string CpuTypeSuffix = "-x86_64-cpu";

    private const string Unattached = "/machine/unattached";

    public static string CpuPath(int index) => string.Create(CultureInfo.InvariantCulture, $"{Unattached}/device[{index}]");

    /// <summary>The properties of an object, children last; null when nothing is there.</summary>
    public IReadOnlyList<QomProperty>? Find(string path)
    {
        var trimmed = path.Length > 1 ? path.TrimEnd('/') : path;
        switch (trimmed)
        {
            case "/":
                return [Text("type", "container"), Child("machine", MachineTypeName, "/machine")];
            case "/machine":
                return MachineProperties();
            case Unattached:
                return Devices();
            default:
                break;
        }
        foreach (var device in Devices())
        {
            if (device.Value is string at && at == trimmed)
                return PropertiesOf(trimmed);
        }
        return null;
    }

    private string MachineTypeName => $"{context.MachineType}-machine";

    private List<QomProperty> MachineProperties()
    {
        var properties = new List<QomProperty> { Text("type", MachineTypeName) };
        if (context.Machine is { } machine)
        {
            properties.Add(Text("accelerator", machine.Accelerator.Name));
            properties.Add(new QomProperty("memory-size", "size", (long)machine.Memory.TotalBytes));
            properties.Add(new QomProperty("no-reboot", "bool", machine.NoReboot));
            properties.Add(Child("unattached", "container", Unattached));
        }
        return properties;
    }

    // CPUs first, by their index.
    private List<QomProperty> Devices()
    {
        var devices = new List<QomProperty>();
        if (context.Machine is not { } machine)
            return devices;
        foreach (var vcpu in machine.Vcpus)
            Add("cpu" + CpuTypeSuffix);
        foreach (var device in machine.Devices)
            Add(device.Name);
        return devices;

        void Add(string type) => devices.Add(Child(string.Create(CultureInfo.InvariantCulture, $"device[{devices.Count}]"), type, CpuPath(devices.Count)));
    }

    private List<QomProperty> PropertiesOf(string path)
    {
        var machine = context.Machine!;
        var index = int.Parse(path.AsSpan(Unattached.Length + "/device[".Length).TrimEnd(']'), NumberStyles.None, CultureInfo.InvariantCulture);
        if (index < machine.Vcpus.Count)
        {
            return
            [
                Text("type", "cpu" + CpuTypeSuffix),
                new QomProperty("apic-id", "uint32", (long)index),
                new QomProperty("thread-id", "int", (long)machine.VcpuThreadId(index)),
            ];
        }
        var device = machine.Devices[index - machine.Vcpus.Count];
        var properties = new List<QomProperty> { Text("type", device.Name) };
        if (device is ISaveable saveable)
            properties.Add(new QomProperty("state-version", "int", (long)saveable.StateVersion));
        lock (machine.Bus.DeviceLock)
        {
            foreach (var mapping in machine.Bus.GetMappings())
            {
                if (!ReferenceEquals(mapping.Device, device))
                    continue;
                var name = $"{(mapping.Space == AddressSpace.Port ? "port" : "mmio")}[{device.Regions[mapping.Region].Name}]";
                properties.Add(new QomProperty(name, "uint64", (long)mapping.Base));
            }
        }
        return properties;
    }

    private static QomProperty Text(string name, string value) => new(name, "string", value);

    private static QomProperty Child(string name, string type, string path) => new(name, $"child<{type}>", path);
}
