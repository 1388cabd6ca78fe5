using System.Text.Json;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>Plugs devices into a machine that runs, and pulls them.</summary>
public interface IHotPlug
{
    /// <param name="driver">As after <c>-device</c>.</param>
    /// <param name="properties">The others, <c>id</c> among them.</param>
    /// <exception cref="QmpException">There is no such driver or property, or no place.</exception>
    void Add(string driver, IReadOnlyDictionary<string, string> properties);

    /// <summary>The device is gone when this returns.</summary>
    /// <exception cref="QmpException">There is none of that id that could be pulled.</exception>
    void Remove(string id);
}

/// <summary>Commands that change what devices a machine has.</summary>
internal sealed class DeviceCommands(QmpContext context)
{
    public IEnumerable<QmpCommand> All =>
    [
        QmpCommand.Action("device_add", Add, new QmpArgument("driver"), new QmpArgument("bus", IsOptional: true), new QmpArgument("id", IsOptional: true)) with { TakesAny = true },
        QmpCommand.Action("device_del", arguments => HotPlug.Remove(arguments.Text("id")), new QmpArgument("id")),
    ];

    private IHotPlug HotPlug => context.HotPlug ?? throw new QmpException("this machine has no place for devices");

    private void Add(QmpArguments arguments)
    {
        var properties = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var given in arguments.Value.EnumerateObject())
        {
            // There is one bus for all of them.
            if (given.Name is "driver" or "bus")
                continue;
            properties[given.Name] = given.Value.ValueKind switch
            {
                JsonValueKind.String => given.Value.GetString() ?? "",
                JsonValueKind.True => "on",
                JsonValueKind.False => "off",
                JsonValueKind.Number => given.Value.GetRawText(),
                _ => throw new QmpException($"Parameter '{given.Name}' is no string, number or boolean"),
            };
        }
        HotPlug.Add(arguments.Text("driver"), properties);
    }
}
