using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Tests.Models;

/// <summary>A device's data sheet as a few lines of code: what each read of a program must give.</summary>
internal interface IDeviceModel
{
    /// <summary>Does one operation; what a read must give, or null where the data sheet does not say.</summary>
    ulong? Apply(in Operation operation);
}

/// <summary>Random programs on a target and on a model of it: every read must be the model's.</summary>
internal static class ModelChecks
{
    public static Gen<Operation> In(int port) => Gen.Constant(Operation.Read(AddressSpace.Port, (ulong)port, 1));

    public static Gen<Operation> Out(int port, Gen<int> value) => value.Select(written => Operation.Write(AddressSpace.Port, (ulong)port, 1, (ulong)written));

    public static Gen<Operation> Out(int port) => Out(port, Gen.Choose(0, 255));

    public static Gen<Operation> Step(int mostNs) => Gen.Choose(0, mostNs).Select(ns => Operation.ClockStep((ulong)ns));

    public static void Agree(string target, Gen<Operation> operation, Func<IDeviceModel> newModel, params Operation[] first)
    {
        using var devices = (DeviceTarget)TargetCatalogue.Create(target);
        var programs = operation.ListOf().Resize(120).Select(rest => (Operation[])[.. first, .. rest]);
        var property = Prop.ForAll(programs.ToArbitrary(), program =>
        {
            var model = newModel();
            var at = 0;
            devices.Run(program, (done, reply) =>
            {
                at++;
                if (model.Apply(done) is { } expected && reply is { } read && read != expected)
                    Assert.Fail($"operation {at} of the program: {done} gives 0x{read:x}, the model 0x{expected:x}\n{ProgramText.Format(program.Take(at))}");
            });
        });
        property.Holds(400);
    }
}
